#include <tandem/actors/supervisor.hpp>

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "supervisor_core.hpp"
#include "supervisor_life.hpp"

namespace tandem::actors {
namespace detail {
namespace {

/// Carries out `todo(life)`, which gives a result<T> if it is a question, otherwise a task of one.
template <class T, class F>
class command_of final : public supervisor_command {
 public:
  command_of(F todo, csp::oneshot_sender<result<T>> reply) : todo_(std::move(todo)), reply_(std::move(reply)) {}

  [[nodiscard]] bool answer(supervisor_life& life) override {
    if constexpr (is_question) {
      say(todo_(life));
      return true;
    } else {
      return false;
    }
  }
  [[nodiscard]] task<void> run(supervisor_life& life) override {
    if constexpr (!is_question) {
      if (reply_.is_closed()) co_return;  // nobody wants it any more
      auto done = todo_(life);
      say(co_await std::move(done));
    }
  }
  void refuse(error why) noexcept override { say(fail(std::move(why))); }

 private:
  static constexpr bool is_question = !tandem::detail::is_task<std::invoke_result_t<F&, supervisor_life&>>::value;
  void say(result<T> outcome) { (void)std::move(reply_).send(std::move(outcome)); }

  F todo_;
  csp::oneshot_sender<result<T>> reply_;
};

/// Ends a child. The child itself is told before that it will be.
class terminate_command final : public supervisor_command {
 public:
  using which_child = std::variant<std::string, std::uint64_t>;
  terminate_command(which_child which, csp::oneshot_sender<result<void>> reply)
      : which_(std::move(which)), reply_(std::move(reply)) {}

  [[nodiscard]] task<void> run(supervisor_life& life) override {
    if (reply_.is_closed()) co_return;
    const auto* const id = std::get_if<std::string>(&which_);
    const std::uint64_t number = id ? life.find(*id) : std::get<std::uint64_t>(which_);
    if (!life.has(number)) {
      say(fail(errc::not_found,
               id ? fmt::format("there is no child {}", *id) : fmt::format("there is no child #{}", number)));
      co_return;
    }
    if (number == from) say({});
    co_await life.terminate(number);
    if (number != from) say({});
  }
  void refuse(error why) noexcept override { say(fail(std::move(why))); }

 private:
  void say(result<void> outcome) { (void)std::move(reply_).send(std::move(outcome)); }

  which_child which_;
  csp::oneshot_sender<result<void>> reply_;
};

error no_supervisor() { return make_error(errc::failed_precondition, "the handle is empty: it has no supervisor"); }

error gone(const supervisor_core& core) {
  return make_error(errc::unavailable, fmt::format("supervisor {} has ended", core.options.name));
}

result<std::shared_ptr<life_record>> present_life(const core_ptr& core) {
  if (!core) return fail(no_supervisor());
  if (auto record = core->record()) return record;
  return fail(errc::failed_precondition, fmt::format("supervisor {} was never started", core->options.name));
}

template <class T>
task<result<T>> post(core_ptr core, std::unique_ptr<supervisor_command> command, csp::receiver<result<T>> reply) {
  TANDEM_CO_TRY_ASSIGN(const auto life, present_life(core));
  command->from = child_of_caller(core->id);
  if (auto sent = life->inbox.send(notice(std::move(command))); !sent) co_return fail(gone(*core));
  auto answer = co_await reply.recv();
  if (answer) co_return std::move(*answer);
  if (answer.error().code() == errc::closed) co_return fail(gone(*core));
  co_return fail(std::move(answer).error());
}

template <class T, class F>
task<result<T>> call(core_ptr core, F todo) {
  auto [tx, rx] = csp::make_oneshot<result<T>>();
  return post<T>(std::move(core), std::make_unique<command_of<T, F>>(std::move(todo), std::move(tx)), std::move(rx));
}

task<result<void>> terminate(core_ptr core, terminate_command::which_child which) {
  auto [tx, rx] = csp::make_oneshot<result<void>>();
  return post<void>(std::move(core), std::make_unique<terminate_command>(std::move(which), std::move(tx)),
                    std::move(rx));
}

task<result<void>> wait_started(core_ptr core) {
  TANDEM_CO_TRY_ASSIGN(const auto life, present_life(core));
  TANDEM_CO_TRY(co_await life->started.wait());
  if (life->start_error) co_return fail(life->start_error);
  co_return result<void>();
}

task<result<void>> wait_ended(core_ptr core) {
  TANDEM_CO_TRY_ASSIGN(const auto life, present_life(core));
  TANDEM_CO_TRY(co_await life->ended.wait());
  if (life->end_error) co_return fail(life->end_error);
  co_return result<void>();
}

task<result<void>> stop(core_ptr core, duration limit) {
  TANDEM_CO_TRY_ASSIGN(const auto life, present_life(core));
  (void)life->inbox.send(
      notice(notice::kind::stop,
             make_error(errc::cancelled, fmt::format("supervisor {} was told to stop", core->options.name)),
             deadline_in(limit)));
  if (child_of_caller(core->id) != 0) co_return result<void>();
  TANDEM_CO_TRY(co_await life->ended.wait());
  if (const std::string left = names_of(life->left); !left.empty())
    co_return fail(errc::deadline_exceeded, fmt::format("children that have not ended: {}", left));
  co_return result<void>();
}

}  // namespace

task<result<added_child>> add_dynamic(core_ptr core, std::shared_ptr<child> what) {
  return call<added_child>(std::move(core), [what = std::move(what)](supervisor_life& life) mutable {
    return life.add_dynamic(std::move(what));
  });
}

task<result<void>> terminate_dynamic(core_ptr core, std::uint64_t number) { return terminate(std::move(core), number); }

}  // namespace detail

task<result<void>> any_supervisor::started() const { return detail::wait_started(core_); }
task<result<void>> any_supervisor::wait() const { return detail::wait_ended(core_); }
task<result<void>> any_supervisor::stop(duration limit) const { return detail::stop(core_, limit); }
std::string any_supervisor::name() const { return core_ ? core_->options.name : std::string(); }

task<result<std::vector<child_info>>> any_supervisor::which_children() const {
  return detail::call<std::vector<child_info>>(
      core_, [](detail::supervisor_life& life) { return result<std::vector<child_info>>(life.which_children()); });
}

task<result<child_counts>> any_supervisor::count_children() const {
  return detail::call<child_counts>(
      core_, [](detail::supervisor_life& life) { return result<child_counts>(life.count_children()); });
}

task<result<child_state>> supervisor::start_child(child_spec spec) const {
  return detail::call<child_state>(core(), [spec = std::move(spec)](detail::supervisor_life& life) mutable {
    return life.start_child(std::move(spec));
  });
}

task<result<void>> supervisor::terminate_child(std::string id) const {
  return detail::terminate(core(), std::move(id));
}

task<result<child_state>> supervisor::restart_child(std::string id) const {
  return detail::call<child_state>(core(), [id = std::move(id)](detail::supervisor_life& life) mutable {
    return life.restart_child(std::move(id));
  });
}

namespace {
task<result<void>> delete_now(detail::supervisor_life& life, std::string id) { co_return life.delete_child(id); }
}  // namespace

task<result<void>> supervisor::delete_child(std::string id) const {
  return detail::call<void>(
      core(), [id = std::move(id)](detail::supervisor_life& life) mutable { return delete_now(life, std::move(id)); });
}

task<result<child_description>> supervisor::get_child_spec(std::string id) const {
  return detail::call<child_description>(
      core(), [id = std::move(id)](detail::supervisor_life& life) { return life.get_child_spec(id); });
}

supervisor start_supervisor(detail::system_at home, supervisor_options options, std::vector<child_spec> children) {
  auto core = detail::make_core(std::move(options), std::move(children), home.where);
  detail::start_root(home.home, core);
  return supervisor(std::move(core));
}

supervisor_spec<supervisor> supervisor_child(child_options options, supervisor_options own,
                                             std::vector<child_spec> children) {
  supervisor made(detail::make_core(std::move(own), std::move(children), options.where));
  return supervisor_spec<supervisor>(std::move(options), std::move(made));
}

}  // namespace tandem::actors
