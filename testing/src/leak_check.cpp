#include <tandem/testing/leak_check.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
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

std::vector<std::uint64_t> ids_of_all_tasks() {
  std::vector<std::uint64_t> all;
  for (const auto& s : tandem::detail::all_schedulers())
    std::ranges::copy(tandem::detail::live_task_ids(*s), std::back_inserter(all));
  std::ranges::sort(all);
  return all;
}

std::size_t count_armed_timers() {
  std::size_t n = 0;
  for (const auto& s : tandem::detail::all_schedulers()) n += tandem::detail::armed_timers(*s);
  return n;
}

}  // namespace

struct leak_check::before {
  const following objects_followed;
  std::vector<std::uint64_t> tasks = ids_of_all_tasks();
  std::size_t timers = count_armed_timers();
  std::size_t objects_made = objects().now();

  [[nodiscard]] std::string describe_leaks() const;
};

std::string leak_check::before::describe_leaks() const {
  std::vector<std::string> parts;
  for (const auto& s : tandem::detail::all_schedulers())
    if (const tandem::detail::task_census left = tandem::detail::take_census_without(*s, tasks); left.tasks != 0)
      parts.push_back("tasks: " + tandem::detail::summarize(left, 16));
  if (const std::size_t now = count_armed_timers(); now > timers)
    parts.push_back(fmt::format("armed timers: {}", now - timers));
  for (const auto& [key, count] : objects().left_since(objects_made))
    parts.push_back(fmt::format("{} x {} made at {}:{}", count, std::get<0>(key), std::get<1>(key), std::get<2>(key)));
  return fmt::format("{}", fmt::join(parts, "; "));
}

leak_check::leak_check() : before_(std::make_unique<before>()) {}

leak_check::~leak_check() {
  if (checked_) return;
  if (const auto clean = check(); !clean) test_framework_in_use().fail(clean.error().message());
}

result<void> leak_check::check(duration patience) {
  checked_ = true;
  const auto end = std::chrono::steady_clock::now() + patience;
  for (auto pause = std::chrono::microseconds(100);; pause = std::min(pause * 2, std::chrono::microseconds(10'000))) {
    const std::string left = before_->describe_leaks();
    if (left.empty()) return {};
    if (std::chrono::steady_clock::now() >= end) return fail(errc::failed_precondition, "left behind: " + left);
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace tandem::testing
