#include "supervisor_core.hpp"

#include <random>
#include <set>

#include <fmt/format.h>

#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/this_task.hpp>

#include "supervisor_life.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {
namespace {

std::uint64_t next_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // gives numbers, publishes nothing
}

result<void> check_spec(const child_options& options, auto_shutdown shut_down_on) {
  if (!options.significant) return {};
  if (options.restart == restart_type::permanent)
    return fail(errc::invalid_argument, fmt::format("child {} is permanent and cannot be significant", options.id));
  if (shut_down_on == auto_shutdown::never)
    return fail(errc::invalid_argument,
                fmt::format("child {} is significant, but its supervisor never shuts itself down", options.id));
  return {};
}

result<void> check_options(const supervisor_options& options) {
  if (options.period <= duration::zero())
    return fail(errc::invalid_argument, "the period in which restarts are counted is not above zero");
  return tandem::detail::check_backoff(options.backoff);
}

error find_fault(const supervisor_options& options, const std::vector<child_spec>& children,
                 const std::optional<child_spec>& one_by_one) {
  result<void> fine = check_options(options);
  if (fine) fine = check_child_specs(children, options.shut_down_on);
  if (fine && one_by_one) fine = check_spec(one_by_one->options(), options.shut_down_on);
  if (fine && one_by_one && options.strategy != supervision_strategy::one_for_one)
    fine = fail(errc::invalid_argument, "a supervisor with a template restarts one for one");
  return fine ? error() : wrap(fine.error(), fmt::format("supervisor {} cannot begin", options.name));
}

// A place among the system's actors: it waits for this to end.
class stay {
 public:
  stay() = default;
  explicit stay(system_impl& home) : home_(&home), id_(home.table.reserve()) {}
  stay(stay&& other) noexcept : home_(other.home_), id_(std::exchange(other.id_, 0)) {}
  ~stay() {
    if (id_ != 0) home_->one_less(id_);
  }
  [[nodiscard]] bool granted() const noexcept { return id_ != 0; }

 private:
  system_impl* home_ = nullptr;
  std::uint64_t id_ = 0;
};

}  // namespace

std::uint64_t child_of_caller(std::uint64_t supervisor) noexcept {
  const context here = this_task::context();
  for (const place* p = here.value(place_key); p; p = p->above)
    if (p->supervisor == supervisor) return p->child;
  return 0;
}

void child_life::ready() const noexcept {
  (void)line_->inbox.send(notice(notice::kind::ready, line_->number, line_->life));
}

void child_life::ended(error reason) const noexcept {
  (void)line_->inbox.send(notice(notice::kind::ended, line_->number, line_->life, std::move(reason)));
}

const context& child_life::base_context() const noexcept { return line_->base; }
tandem::detail::scheduler& child_life::home() const noexcept { return *line_->home; }
std::uint64_t child_life::salt() const noexcept { return line_->salt; }

void child_life::spawn(task<void> body, const char* name, context under, std::source_location where) const {
  tandem::detail::spawn_on(*line_->home, std::move(body), spawn_options(name, std::move(under)), where).disown();
}

std::string names_of(const std::vector<left_behind>& all) {
  std::string names;
  for (const left_behind& l : all)
    if (!l.life.expired()) names += (names.empty() ? "" : ", ") + l.name;
  return names;
}

void life_record::close(const error& otherwise) noexcept {
  if (!started.is_set()) {
    start_error = otherwise;
    started.set();
  }
  if (!ended.is_set()) {
    end_error = otherwise;
    ended.set();
  }
}

struct supervisor_core::start {
  csp::receiver<notice> inbox;
  std::shared_ptr<life_record> record;
  context base;
  context watched;  // its end ends the life
  std::optional<child_life> parent;
  std::uint64_t salt;
  stay in_system;
};

supervisor_core::supervisor_core(supervisor_options o, std::vector<child_spec> with,
                                 std::optional<child_spec> one_by_one, std::source_location made_at)
    : id(next_id()),
      options(std::move(o)),
      children(std::move(with)),
      dynamic_like(std::move(one_by_one)),
      fault(find_fault(options, children, dynamic_like)),
      where(made_at) {}

void supervisor_core::begin_root(system_impl& home) {
  auto [tx, rx] = csp::make_unbounded<notice>(where);
  auto record = std::make_shared<life_record>(std::move(tx));
  context watched = home.context.context();
  start with{std::move(rx),
             std::move(record),
             without_cancel(watched),
             watched,
             {},
             home.simulated ? 0U : std::random_device()(),
             stay(home)};
  if (with.in_system.granted()) return launch(std::move(with), home.core);
  const error closed = make_error(errc::unavailable, "the actor system has been shut down");
  with.record->close(closed);
  retire(closed);
  const std::lock_guard hold(lock_);
  record_ = std::move(with.record);
}

void supervisor_core::begin_child(const child_life& parent) {
  auto [tx, rx] = csp::make_unbounded<notice>(where);
  auto record = std::make_shared<life_record>(std::move(tx));
  launch(start{std::move(rx), std::move(record), parent.base_context(), context(), parent, parent.salt(), stay()},
         parent.home());
}

void supervisor_core::launch(start with, tandem::detail::scheduler& home) {
  auto record = with.record;
  context under = with.base;
  {
    const std::lock_guard hold(lock_);
    record_ = record;
  }
  tandem::detail::spawn_on(home, live(shared_from_this(), std::move(with)),
                           spawn_options("supervisor", std::move(under)), where)
      .disown();
}

task<void> supervisor_core::live(std::shared_ptr<supervisor_core> core, start with) {
  // However this ends, those who wait are told; the system, which may be gone then, last.
  struct last_words {
    explicit last_words(start& s) noexcept : of(s) {}
    ~last_words() { of.record->close(make_error(errc::unavailable, "the supervisor was destroyed with its runtime")); }
    start& of;
  };
  const last_words end(with);
  error reason;
  {
    supervisor_life life(*core, with.record, with.inbox, with.base, with.watched, with.salt);
    reason = co_await life.run(with.parent ? &*with.parent : nullptr);
  }
  (void)with.inbox.close();
  with.inbox = {};  // and the commands that are still in it: their senders learn that they are too late
  with.record->end_error = reason;
  with.record->ended.set();
  if (!with.parent) co_return;
  if (const std::string left = names_of(with.record->left); !reason && !left.empty())
    reason = with_payload(make_error(shutdown_reason, "children that have not ended: " + left),
                          left_children(with.record->left));
  with.parent->ended(std::move(reason));
}

std::shared_ptr<life_record> supervisor_core::record() const {
  const std::lock_guard hold(lock_);
  return record_;
}

void supervisor_core::post(notice what) noexcept {
  if (const auto to = record()) (void)to->inbox.send(std::move(what));
}

void supervisor_core::retire(const error& reason) noexcept {
  for (const child_spec& spec : children) spec.what()->retire(reason);
}

namespace {

class nested_supervisor final : public child {
 public:
  explicit nested_supervisor(core_ptr core) noexcept : core_(std::move(core)) {}

  [[nodiscard]] bool start(const child_life& life) override {
    core_->begin_child(life);
    return false;
  }
  void stop(const error& reason) noexcept override { core_->post(notice(notice::kind::stop, reason, no_deadline)); }
  void kill(const error& reason) noexcept override { core_->post(notice(notice::kind::kill, reason, no_deadline)); }
  [[nodiscard]] bool dies_when_killed() const noexcept override { return true; }
  void retire(const error& reason) noexcept override { core_->retire(reason); }

 private:
  const core_ptr core_;
};

}  // namespace

core_ptr make_core(supervisor_options options, std::vector<child_spec> children, std::source_location where) {
  return std::make_shared<supervisor_core>(std::move(options), std::move(children), std::nullopt, where);
}

core_ptr make_dynamic_core(supervisor_options options, child_spec like, std::source_location where) {
  return std::make_shared<supervisor_core>(std::move(options), std::vector<child_spec>(), std::move(like), where);
}

void start_root(system& home, const core_ptr& core) { core->begin_root(system_access::impl(home)); }

child_spec child_of_core(child_options options, core_ptr core) {
  return child_spec(std::move(options), child_type::supervisor, std::make_shared<nested_supervisor>(std::move(core)));
}

result<void> check_new_child(const child_options& options, auto_shutdown shut_down_on) {
  if (options.id.empty()) return fail(errc::invalid_argument, "a child needs an id");
  return check_spec(options, shut_down_on);
}

}  // namespace tandem::actors::detail

namespace tandem::actors {

result<void> check_child_specs(const std::vector<child_spec>& specs, auto_shutdown shut_down_on) {
  std::set<std::string_view> ids;
  for (const child_spec& spec : specs) {
    TANDEM_TRY(detail::check_new_child(spec.options(), shut_down_on));
    if (!ids.insert(spec.options().id).second)
      return fail(errc::invalid_argument, fmt::format("two children have the id {}", spec.options().id));
  }
  return {};
}

}  // namespace tandem::actors
