#include <tandem/testing/leak_check.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/detail/object_observer.hpp>
#include <tandem/testing/test_framework.hpp>

namespace tandem::testing {
namespace {

using site_key = std::tuple<std::string_view, std::string_view, unsigned>;  // kind, file, line: all static texts

site_key key_of(const char* kind, const std::source_location& where) {
  return {kind, where.file_name(), static_cast<unsigned>(where.line())};
}

// By where they came from, because a task changes its name when it is let go.
site_key key_of(const tandem::detail::task_group& g) { return key_of(g.actor ? g.actor : "", g.site); }

/// Remembers the objects made while a leak check exists.
class object_registry final : public tandem::detail::object_observer {
 public:
  void begin() {
    const std::lock_guard hold(lock_);
    if (checks_++ == 0) tandem::detail::installed_object_observer.store(this, std::memory_order_release);
  }
  void end() {
    const std::lock_guard hold(lock_);
    if (--checks_ != 0) return;
    tandem::detail::installed_object_observer.store(nullptr, std::memory_order_release);
    known_.clear();
  }

  void made(const void* object, const char* kind, std::source_location where) noexcept override {
    const std::lock_guard hold(lock_);
    known_.insert_or_assign(object, entry{kind, where, ++last_});
  }
  void gone(const void* object) noexcept override {
    const std::lock_guard hold(lock_);
    known_.erase(object);
  }

  [[nodiscard]] std::size_t now() {
    const std::lock_guard hold(lock_);
    return last_;
  }
  /// What is left of the objects made after `moment`, by where they were made.
  [[nodiscard]] std::map<site_key, std::size_t> left_since(std::size_t moment) {
    std::map<site_key, std::size_t> left;
    const std::lock_guard hold(lock_);
    for (const auto& [object, made] : known_)
      if (made.number > moment) ++left[key_of(made.kind, made.where)];
    return left;
  }

 private:
  struct entry {
    const char* kind;
    std::source_location where;
    std::size_t number;
  };
  std::mutex lock_;
  std::map<const void*, entry> known_;  // guarded by lock_, as is the rest
  std::size_t last_ = 0;
  int checks_ = 0;
};

object_registry& objects() {
  static auto* const made = new object_registry;  // never destroyed: objects may end after main()
  return *made;
}

/// Follows objects while it lives.
struct following {
  following() { objects().begin(); }
  ~following() { objects().end(); }
  following(const following&) = delete;
  following& operator=(const following&) = delete;
};

struct snapshot {
  std::map<site_key, std::size_t> tasks;
  std::vector<tandem::detail::task_group> groups;
  std::size_t timers = 0;
};

snapshot look() {
  snapshot seen;
  for (const auto& s : tandem::detail::all_schedulers()) {
    tandem::detail::task_census census = tandem::detail::take_census(*s);
    for (const auto& g : census.groups) seen.tasks[key_of(g)] += g.count;
    std::ranges::move(census.groups, std::back_inserter(seen.groups));
    seen.timers += tandem::detail::armed_timers(*s);
  }
  return seen;
}

}  // namespace

struct leak_check::before {
  const following objects_followed;
  snapshot seen = look();
  std::size_t objects_made = objects().now();
};

namespace {

std::string describe_leaks(const snapshot& before, std::size_t objects_made) {
  const snapshot now = look();
  std::vector<std::string> parts;
  tandem::detail::task_census leaked;
  for (const auto& g : now.groups) {
    const auto known = before.tasks.find(key_of(g));
    const std::size_t had = known == before.tasks.end() ? 0 : known->second;
    if (now.tasks.at(key_of(g)) <= had) continue;
    leaked.groups.push_back(g);
    leaked.tasks += g.count;
  }
  if (leaked.tasks != 0) parts.push_back("tasks: " + tandem::detail::summarize(leaked, 16));
  if (now.timers > before.timers) parts.push_back(fmt::format("armed timers: {}", now.timers - before.timers));
  for (const auto& [key, count] : objects().left_since(objects_made))
    parts.push_back(fmt::format("{} x {} made at {}:{}", count, std::get<0>(key), std::get<1>(key), std::get<2>(key)));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

leak_check::leak_check() : before_(std::make_unique<before>()) {}

leak_check::~leak_check() {
  if (checked_) return;
  if (const auto clean = check(); !clean) test_framework_in_use().fail(clean.error().message());
}

result<void> leak_check::check(duration patience) {
  checked_ = true;
  const auto end = std::chrono::steady_clock::now() + patience;
  for (auto pause = std::chrono::microseconds(100);; pause = std::min(pause * 2, std::chrono::microseconds(10'000))) {
    const std::string left = describe_leaks(before_->seen, before_->objects_made);
    if (left.empty()) return {};
    if (std::chrono::steady_clock::now() >= end) return fail(errc::failed_precondition, "left behind: " + left);
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace tandem::testing
