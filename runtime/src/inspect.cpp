#include <tandem/runtime/detail/inspect.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>

#include <fmt/format.h>

#include <tandem/errors/stack.hpp>

#include "census_taker.hpp"
#include "scheduler.hpp"
#include "task_table.hpp"

namespace tandem::detail {
namespace {

constexpr std::size_t awaits_on_one_line = 3;

std::string describe_group(const task_group& g) {
  std::string text(g.name.data());
  const bool nameless = g.actor && !g.other_names && text == g.actor;  // then it goes by its class
  if (nameless) text.insert(0, "actor ");
  if (g.other_names) text += " and others";
  if (g.background) text += " in the background";
  if (!g.actor) {
    text += fmt::format(" ({}:{})", g.site.file_name(), g.site.line());
  } else if (!nameless) {
    text += fmt::format(" (actor {})", g.actor);
  }
  text += ", ";
  switch (g.doing) {
    case task_group::state::running: return text + fmt::format("running on worker {}", g.worker);
    case task_group::state::ready: return text + "ready to run";
    case task_group::state::waiting:
      text += fmt::format("waiting for {}", g.waits_for);
      if (g.origin.line() != 0) text += fmt::format(" ({}:{})", g.origin.file_name(), g.origin.line());
  }
  return text;
}

/// Looks up the names of awaits, each once: many groups have the outer ones in common.
class await_names {
 public:
  /// "awaited by FUNCTION at FILE:LINE" for up to `limit` awaits of `g`, and how many there are more.
  std::vector<std::string> lines_of(const task_group& g, std::size_t limit) {
    // What or_return() wraps around an operation is no place in the program.
    constexpr std::string_view wrapper = "tandem::detail::await_operation<";
    std::vector<std::string> lines;
    std::size_t at = 0;
    for (; at < std::min(g.await_count, g.awaits.size()) && lines.size() < limit; ++at) {
      const std::string& line = line_of(g.awaits[at]);
      if (line.find(wrapper) == std::string::npos) lines.push_back(line);
    }
    if (g.await_count > at) lines.push_back(fmt::format("awaited by {} more", g.await_count - at));
    return lines;
  }

 private:
  const std::string& line_of(const void* site) {
    std::string& line = known_[site];
    if (line.empty()) line = describe_stack({{}, {&site, 1}, nullptr, {}}).front();
    return line;
  }

  std::map<const void*, std::string> known_;
};

struct registry {
  std::mutex lock;
  std::vector<std::weak_ptr<scheduler>> known;  // guarded by lock
};

// Never destroyed: a signal may ask for a dump while the process exits.
registry& the_registry() {
  static registry* const made = new registry;
  return *made;
}

}  // namespace

void scheduler::count_tasks(task_census& out, census_of whom, bool stopped, const std::vector<std::uint64_t>& known) {
  std::vector<const task_record*> running;
  // What another thread reads of a worker is atomic where it is written (worker_base::current). A task that ended
  // since, and gave its address to another, may be shown as running when it is not yet.
  for (const auto& w : workers_) running.push_back(w->running_task());
  census_taker taker(std::move(running), stopped, known);
  task_table::visit(*this, [&taker](const task_record& task) {
    if (task.is_spawned()) taker.add(task, task.waits_for.load(std::memory_order_relaxed), nullptr);
  });
  {
    const std::lock_guard hold(sources_lock_);
    for (task_source* const source : sources_) source->list(taker, whom);
  }
  taker.move_to(out);
}

void add_task_source(scheduler& s, task_source& source) {
  const std::lock_guard hold(s.sources_lock_);
  s.sources_.push_back(&source);
}

void remove_task_source(scheduler& s, task_source& source) noexcept {
  const std::lock_guard hold(s.sources_lock_);
  std::erase(s.sources_, &source);
}

std::size_t scheduler::armed_timers() noexcept {
  std::size_t n = 0;
  for (const auto& w : workers_) n += w->timers.size();
  return n;
}

namespace {

task_census take(scheduler& s, census_of whom, duration patience, const std::vector<std::uint64_t>& known) {
  task_census census;
  const bool may_stop = !s.stopped() && !(tls_worker && tls_worker->owner == &s);
  if (s.manual() || may_stop) {
    const time_point deadline = time_point(std::chrono::steady_clock::now()) + patience;
    census.exact = s.while_stopped(deadline, [&] { s.count_tasks(census, whom, true, known); });
  }
  if (!census.exact) s.count_tasks(census, whom, false, known);
  return census;
}

}  // namespace

task_census take_census(scheduler& s, census_of whom, duration patience) { return take(s, whom, patience, {}); }

task_census take_census_without(scheduler& s, const std::vector<std::uint64_t>& known) {
  return take(s, census_of::live_tasks, std::chrono::milliseconds(50), known);
}

std::vector<std::uint64_t> live_task_ids(const scheduler& s) {
  std::vector<std::uint64_t> ids;
  task_table::visit(s, [&ids](const task_record& task) { ids.push_back(task.id); });
  return ids;
}

std::string describe(const task_census& census, std::size_t limit) {
  std::string text;
  std::size_t listed = 0;
  await_names names;
  for (std::size_t i = 0; i < census.groups.size() && i < limit; ++i) {
    const task_group& g = census.groups[i];
    text += fmt::format("{:>8} x {}\n", g.count, describe_group(g));
    for (const std::string& line : names.lines_of(g, g.awaits.size())) text += fmt::format("{:>10} {}\n", "", line);
    listed += g.count;
  }
  if (census.tasks > listed) text += fmt::format("{:>8} more\n", census.tasks - listed);
  return text;
}

std::string summarize(const task_census& census, std::size_t limit) {
  std::string text;
  std::size_t listed = 0;
  await_names names;
  for (std::size_t i = 0; i < census.groups.size() && i < limit; ++i) {
    const task_group& g = census.groups[i];
    if (i != 0) text += "; ";
    if (g.count > 1) text += fmt::format("{} x ", g.count);
    text += describe_group(g);
    for (const std::string& line : names.lines_of(g, awaits_on_one_line)) text += ", " + line;
    listed += g.count;
  }
  if (census.tasks > listed) text += fmt::format(" and {} more", census.tasks - listed);
  return text;
}

std::size_t armed_timers(scheduler& s) noexcept { return s.armed_timers(); }

void register_scheduler(const std::shared_ptr<scheduler>& s) {
  registry& r = the_registry();
  const std::lock_guard hold(r.lock);
  std::erase_if(r.known, [](const auto& known) { return known.expired(); });
  r.known.push_back(s);
}

std::vector<std::shared_ptr<scheduler>> all_schedulers() {
  registry& r = the_registry();
  std::vector<std::shared_ptr<scheduler>> found;
  const std::lock_guard hold(r.lock);
  for (const auto& known : r.known)
    if (auto s = known.lock()) found.push_back(std::move(s));
  return found;
}

}  // namespace tandem::detail
