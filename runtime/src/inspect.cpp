#include <tandem/runtime/detail/inspect.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <tuple>

#include <fmt/format.h>

#include "scheduler.hpp"
#include "task_table.hpp"

namespace tandem::detail {
namespace {

constexpr duration patience = std::chrono::milliseconds(50);
constexpr std::size_t most_groups = 512;

/// Groups tasks without allocating or throwing: a census must not stop half-way. Literals and
/// sites are compared by address here: they are as good as equal texts, but for those of several translation units.
class task_groups {
 public:
  task_groups() : slots_(2 * most_groups) { groups_.reserve(most_groups); }

  void add(const task_group& like) noexcept {
    const auto mix = [](std::size_t hash, std::size_t word) { return (hash ^ word) * 0x9e3779b97f4a7c15U; };
    std::size_t hash = mix(reinterpret_cast<std::size_t>(like.name), like.site.line());
    hash = mix(hash, reinterpret_cast<std::size_t>(like.site.file_name()));
    hash = mix(hash, reinterpret_cast<std::size_t>(like.waits_for) ^ like.origin.line());
    for (std::size_t i = hash >> 32;; ++i) {
      std::uint16_t& slot = slots_[i % slots_.size()];
      if (slot == 0) {
        if (groups_.size() == most_groups) {
          ++ungrouped_;
          return;
        }
        groups_.push_back(like);  // within what was reserved
        slot = static_cast<std::uint16_t>(groups_.size());
        groups_.back().count = 1;
        return;
      }
      task_group& g = groups_[slot - 1U];
      if (g.name == like.name && same_place(g.site, like.site) && g.background == like.background &&
          g.doing == like.doing && g.worker == like.worker && g.waits_for == like.waits_for &&
          same_place(g.origin, like.origin)) {
        ++g.count;
        return;
      }
    }
  }

  /// Groups whose texts are equal become one; the most numerous come first.
  void move_to(task_census& out) {
    const auto compare = [](const task_group& a, const task_group& b) {
      const auto text = [](const char* t) { return std::string_view(t ? t : ""); };
      const auto key = [&](const task_group& g) {
        return std::tuple(text(g.name), text(g.site.file_name()), g.site.line(), g.background, g.doing, g.worker,
                          text(g.waits_for), text(g.origin.file_name()), g.origin.line());
      };
      return key(a) <=> key(b);
    };
    std::sort(groups_.begin(), groups_.end(), [&](const auto& a, const auto& b) { return compare(a, b) < 0; });
    for (const task_group& g : groups_) {
      if (!out.groups.empty() && compare(out.groups.back(), g) == 0) {
        out.groups.back().count += g.count;
      } else {
        out.groups.push_back(g);
      }
    }
    std::stable_sort(out.groups.begin(), out.groups.end(),
                     [](const auto& a, const auto& b) { return a.count > b.count; });
    out.ungrouped = ungrouped_;
  }

 private:
  static bool same_place(const std::source_location& a, const std::source_location& b) noexcept {
    return a.line() == b.line() && a.file_name() == b.file_name();
  }

  std::vector<task_group> groups_;
  std::vector<std::uint16_t> slots_;  // index into groups_ plus one; open addressing, at most half full
  std::size_t ungrouped_ = 0;
};

std::string describe_group(const task_group& g) {
  std::string text = fmt::format("{}{} ({}:{}), ", g.name, g.background ? " in the background" : "",
                                 g.site.file_name(), g.site.line());
  switch (g.doing) {
    case task_group::state::running: return text + fmt::format("running on worker {}", g.worker);
    case task_group::state::ready: return text + "ready to run";
    case task_group::state::waiting:
      text += fmt::format("waiting for {}", g.waits_for);
      if (g.origin.line() != 0) text += fmt::format(" ({}:{})", g.origin.file_name(), g.origin.line());
  }
  return text;
}

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

void scheduler::count_tasks(task_census& out, bool stopped) {
  task_groups groups;
  std::vector<const task_record*> running;
  // What another thread reads of a worker is atomic where it is written (worker_base::current). A task that ended
  // since, and gave its address to another, may be shown as running when it is not yet.
  for (const auto& w : workers_) running.push_back(w->running_task());
  task_table::visit(*this, [&](const task_record& t) {
    ++out.tasks;
    task_group like;
    like.name = t.name();
    like.background = t.is_background();
    like.site = t.origin().site;
    if (const wait_kind* const kind = t.waits_for.load(std::memory_order_relaxed)) {
      like.doing = task_group::state::waiting;
      like.waits_for = kind->name;
      if (stopped && kind->origin) like.origin = kind->origin(t);
    } else if (const auto on = std::find(running.begin(), running.end(), &t); on != running.end()) {
      like.doing = task_group::state::running;
      like.worker = static_cast<unsigned>(on - running.begin());
    }
    groups.add(like);
  });
  groups.move_to(out);
}

std::size_t scheduler::armed_timers() noexcept {
  std::size_t n = 0;
  for (const auto& w : workers_) n += w->timers.size();
  return n;
}

task_census take_census(scheduler& s) {
  task_census census;
  const bool may_stop = !s.stopped() && !(tls_worker && tls_worker->owner == &s);
  if (s.manual() || may_stop) {
    const time_point deadline = time_point(std::chrono::steady_clock::now()) + patience;
    census.exact = s.while_stopped(deadline, [&] { s.count_tasks(census, true); });
  }
  if (!census.exact) s.count_tasks(census, false);
  return census;
}

std::string describe(const task_census& census, std::size_t limit) {
  std::string text;
  std::size_t listed = 0;
  for (std::size_t i = 0; i < census.groups.size() && i < limit; ++i) {
    text += fmt::format("{:>8} x {}\n", census.groups[i].count, describe_group(census.groups[i]));
    listed += census.groups[i].count;
  }
  if (census.tasks > listed) text += fmt::format("{:>8} more\n", census.tasks - listed);
  return text;
}

std::string summarize(const task_census& census, std::size_t limit) {
  std::string text;
  std::size_t listed = 0;
  for (std::size_t i = 0; i < census.groups.size() && i < limit; ++i) {
    const task_group& g = census.groups[i];
    if (i != 0) text += "; ";
    if (g.count > 1) text += fmt::format("{} x ", g.count);
    text += describe_group(g);
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
