// child_spec: what a supervisor starts, and starts again. A child is a task, a group of tasks, an actor
// (actor_child.hpp) or another supervisor (supervisor.hpp).
//
//   child_options feed("feed", restart_type::transient, 2s);
//   auto tree = start_supervisor(sys, {.name = "prices"}, task_child(feed, &read_feed), task_child("store", &store));
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/child.hpp>
#include <tandem/actors/detail/supervised_task.hpp>
#include <tandem/errors/kind.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

/// When a child that has ended is started again.
enum class restart_type : std::uint8_t {
  permanent,  ///< Always.
  transient,  ///< If it ended abnormally: with an error that is not of the kind `shutdown_reason`.
  temporary,  ///< Never, not even because of a sibling; its spec is deleted when it ends.
};

enum class child_type : std::uint8_t { worker, supervisor };

/// A child that ends with an error of this kind has ended in order, as one that ends without an error: a transient one
/// is not started again. A supervisor that gave up ends so. What is wrapped around it and has a code of its own hides
/// it.
inline const kind shutdown_reason("actors.shutdown", errc::unavailable);

/// How long a child that is told to end may take.
class child_shutdown {
 public:
  /// It is told, and waited for that long. Then it is killed; a task cannot be killed: it is left behind, and reported.
  /// Less than zero is zero.
  template <class Rep, class Period>
  /*implicit*/ constexpr child_shutdown(std::chrono::duration<Rep, Period> limit) noexcept
      : limit_(std::chrono::duration<double>(limit) >= std::chrono::duration<double>(duration::max())
                   ? duration::max()
                   : std::max(duration::zero(), std::chrono::duration_cast<duration>(limit))) {}
  /// It is killed, and not waited for: a task is told to end, and left behind.
  [[nodiscard]] static constexpr child_shutdown brutal() noexcept { return child_shutdown(); }
  /// It is told, and waited for as long as it takes.
  [[nodiscard]] static constexpr child_shutdown infinity() noexcept { return child_shutdown(duration::max()); }

  [[nodiscard]] constexpr bool is_brutal() const noexcept { return limit_ < duration::zero(); }
  [[nodiscard]] constexpr bool is_infinite() const noexcept { return limit_ == duration::max(); }
  /// Zero for brutal(), duration::max() for infinity().
  [[nodiscard]] constexpr duration limit() const noexcept { return is_brutal() ? duration::zero() : limit_; }

  friend bool operator==(const child_shutdown&, const child_shutdown&) = default;

 private:
  constexpr child_shutdown() noexcept : limit_(-1) {}
  duration limit_;
};

/// What a supervisor is told about a child, whatever that is.
struct child_options {
  explicit child_options(std::source_location here = std::source_location::current()) noexcept : where(here) {}
  /*implicit*/ child_options(std::string name, restart_type when = restart_type::permanent,
                             std::optional<child_shutdown> limit = {}, bool is_significant = false,
                             std::source_location here = std::source_location::current())
      : id(std::move(name)), restart(when), shutdown(limit), significant(is_significant), where(here) {}
  /*implicit*/ child_options(const char* name, std::source_location here = std::source_location::current())
      : id(name), where(here) {}

  std::string id;  ///< Unique among the children of a supervisor.
  restart_type restart = restart_type::permanent;
  std::optional<child_shutdown> shutdown;  ///< Default: 5 s; for a supervisor infinity(), which it should have.
  /// Its end may shut the supervisor down: see auto_shutdown. Not for a permanent child.
  bool significant = false;
  std::source_location where;  ///< Shown with its tasks in reports: where the options were made.
};

/// A child to be: what it is, and how it is treated.
///
/// Owns:    what its lives need. Moved into a supervisor; one spec makes one child.
/// Threads: one at a time.
class [[nodiscard]] child_spec {
 public:
  child_spec(child_spec&&) noexcept = default;
  child_spec& operator=(child_spec&&) noexcept = default;

  [[nodiscard]] const child_options& options() const noexcept { return options_; }
  [[nodiscard]] child_type type() const noexcept { return type_; }
  /// What the options say, or the default for the type.
  [[nodiscard]] child_shutdown shutdown() const noexcept {
    if (options_.shutdown) return *options_.shutdown;
    return type_ == child_type::supervisor ? child_shutdown::infinity() : child_shutdown(std::chrono::seconds(5));
  }

  /// Not for users.
  child_spec(child_options options, child_type type, std::shared_ptr<detail::child> what) noexcept
      : options_(std::move(options)), type_(type), what_(std::move(what)) {}
  [[nodiscard]] const std::shared_ptr<detail::child>& what() const noexcept { return what_; }

 private:
  child_options options_;
  child_type type_;
  std::shared_ptr<detail::child> what_;
};

/// A child that is a task: `function()` gives a task<void> or a task<result<void>>, and is called for each life. The
/// child ends when the task does; an error or exception is the reason.
///
/// Each life has a context of its own, which inherits nothing but the values of the system's; to stop the child is to
/// end that context with the supervisor's reason. The function object is one for all lives, and must bear that a life
/// that was left behind still uses it.
///
/// `function(child_start&)` says by child_start::ready() when the child is up, and the supervisor waits for that. If
/// the task ends before, with an error, it failed to start; without one, there is nothing to run, and the child stays
/// stopped (OTP's `ignore`). A task of the other form is up as soon as it is spawned.
template <class F>
[[nodiscard]] child_spec task_child(child_options options, F function) {
  static_assert(detail::plain_life<F> != detail::starting_life<F>,
                "the function is called as f() or f(child_start&), and gives a task<void> or a task<result<void>>");
  auto what = std::make_shared<detail::supervised_task<F>>(std::move(function), options.where);
  return child_spec(std::move(options), child_type::worker, std::move(what));
}

/// A child that is a group: `function(csp::group&)` starts its tasks, and gives nothing, a task<void> or a
/// task<result<void>>. The child is up when the function has ended, failed to start if that failed, and ends when the
/// group does: csp::group::wait() gives the reason.
template <class F>
[[nodiscard]] child_spec group_child(child_options options, F function) {
  static_assert(detail::group_life<F>,
                "the function is called as f(csp::group&), and gives void, a task<void> or a task<result<void>>");
  auto what = std::make_shared<detail::supervised_group<F>>(std::move(function), options.where);
  return child_spec(std::move(options), child_type::worker, std::move(what));
}

}  // namespace tandem::actors
