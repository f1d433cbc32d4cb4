// supervisor: starts tasks, groups and actors in order, starts again what fails, and stops all in reverse order.
//
//   supervisor tree = start_supervisor(sys, {.name = "prices", .strategy = supervision_strategy::rest_for_one},
//                                      task_child("feed", &read_feed),
//                                      group_child("writers", &start_writers));
//   co_await or_return(tree.started());
//   …
//   co_await or_return(tree.stop(10s));
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <tandem/actors/child_spec.hpp>
#include <tandem/actors/fwd.hpp>
#include <tandem/actors/supervision_event.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/backoff.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

/// Whom the restart of one child concerns.
enum class supervision_strategy : std::uint8_t {
  one_for_one,   ///< That child alone.
  one_for_all,   ///< All: the others are stopped, then all are started.
  rest_for_one,  ///< Those after it: they are stopped, then it and they are started.
};

/// Whether a supervisor shuts itself down when significant children end: a transient one normally, a temporary one in
/// any way, and by themselves: not because they, or siblings, were stopped.
enum class auto_shutdown : std::uint8_t {
  never,            ///< Significant children are refused.
  any_significant,  ///< When one does.
  all_significant,  ///< When the last that was there does.
};

struct supervisor_options {
  std::string name = "supervisor";  ///< In reports.
  supervision_strategy strategy = supervision_strategy::one_for_one;
  /// It gives up when there are more than `intensity` restarts within `period`, which is above zero.
  std::size_t intensity = 1;
  duration period = std::chrono::seconds(5);
  auto_shutdown shut_down_on = auto_shutdown::never;
  /// Before a child is started again; each child has its own. Default: no delay.
  backoff_options backoff = {};
  /// Is told each decision, by the supervisor's task: it must not block, and what it throws is dropped. Default: a line
  /// on stderr for all but normal ends.
  std::function<void(const supervision_event&)> on_event = {};
};

enum class child_state : std::uint8_t {
  stopped,   ///< There is no such task: it ended, was stopped, or had nothing to run. OTP's `undefined`.
  starting,  ///< The supervisor waits for it to be up.
  running,
  restarting,  ///< It is about to be started again: after a delay, or because that has just failed.
  stopping,    ///< The supervisor waits for it to end.
};

/// A child at some moment.
struct child_info {
  std::string id;            ///< Empty for a child of a dynamic_supervisor.
  std::uint64_t number = 0;  ///< Of this supervisor's children it alone has, or had, this number.
  child_type type = child_type::worker;
  child_state state = child_state::stopped;
  restart_type restart = restart_type::permanent;
  std::size_t restarts = 0;  ///< How often it was started again by the supervisor.
  time_point since{};        ///< In this state.
  error last_reason;         ///< What it last ended with, or failed to start with; no error: nothing of the kind.
};

struct child_counts {
  std::size_t specs = 0;        ///< Children, running or not; of a dynamic_supervisor: 1, its template.
  std::size_t active = 0;       ///< … that run.
  std::size_t supervisors = 0;  ///< … that are supervisors, running or not.
  std::size_t workers = 0;      ///< … that are not.
};

/// What a child was added with.
struct child_description {
  child_options options;
  child_type type = child_type::worker;
  child_shutdown shutdown = child_shutdown::infinity();
};

namespace detail {
/// A system, and where it is used.
struct system_at {
  /*implicit*/ system_at(system& s, std::source_location here = std::source_location::current()) noexcept
      : home(s), where(here) {}
  system& home;
  std::source_location where;
};

class supervisor_core;
using core_ptr = std::shared_ptr<supervisor_core>;

[[nodiscard]] core_ptr make_core(supervisor_options options, std::vector<child_spec> children,
                                 std::source_location where);
/// Of a supervisor whose children are made one by one; `like` is null but for its type and options.
[[nodiscard]] core_ptr make_dynamic_core(supervisor_options options, child_spec like, std::source_location where);
void start_root(system& home, const core_ptr& core);
[[nodiscard]] child_spec child_of_core(child_options options, core_ptr core);

/// A child of a dynamic supervisor that was started.
struct added_child {
  std::uint64_t number = 0;
  child_state state = child_state::stopped;
};
task<result<added_child>> add_dynamic(core_ptr core, std::shared_ptr<child> what);
task<result<void>> terminate_dynamic(core_ptr core, std::uint64_t number);

template <class... Specs>
[[nodiscard]] std::vector<child_spec> list_of(Specs&&... specs) {
  std::vector<child_spec> made;
  made.reserve(sizeof...(Specs));
  (made.push_back(std::forward<Specs>(specs)), ...);
  return made;
}

template <class T>
concept spec_of_child = std::is_base_of_v<child_spec, std::remove_cvref_t<T>> && !std::is_lvalue_reference_v<T>;
}  // namespace detail

/// What every supervisor can be asked. See supervisor and dynamic_supervisor.
///
/// A supervisor does one thing at a time: a command waits while it waits for a child to start or to end, and while
/// another command is carried out. The questions (which_children(), count_children(), get_child_spec()) are answered
/// at once nevertheless. wait(), started() and stop() concern the present life of a supervisor that is another's child,
/// which may be started again.
///
/// **From within.** A child, or a task below one, may command its own supervisor or one above. What would wait for the
/// caller itself does not: stop(), and terminate_child() of the child that the caller is part of, succeed at once, and
/// are carried out. Other commands fail with errc::failed_precondition while the supervisor waits for that child to
/// start or to end. Tasks are known by their context: a child's has its place in the tree among its values.
///
/// Cancel (of all commands): safe; one that the supervisor has not begun is not carried out, one that it has begun is.
/// Errors (of all commands): errc::unavailable: it has ended, or ends before it comes to the command; errc::cancelled,
///         errc::deadline_exceeded; errc::failed_precondition for an empty handle, and from within, as said above.
///
/// Owns:    a share of what outlives the supervisor's life. Dropping it stops nothing.
/// Threads: as a shared_ptr: one handle from one thread at a time, copies from anywhere. The tasks do not refer to the
///          handle.
class any_supervisor {
 public:
  any_supervisor() = default;

  /// Waits until all children that it begins with have been started.
  /// Errors: that of the child that failed to start; those before it have been stopped. errc::invalid_argument for
  ///         options and specs that contradict themselves, or each other. errc::failed_precondition if it is the child
  ///         of a supervisor that has not begun to start it.
  [[nodiscard]] task<result<void>> started() const;

  /// Waits until it has ended. Success: it was stopped, or shut itself down.
  /// Errors: what it gave up with: an error of kind `shutdown_reason`, with the last failure of the child in its chain;
  ///         or why it could not start.
  [[nodiscard]] task<result<void>> wait() const;

  /// Stops the children, last started first, each within its time and all within `limit`, and ends. If it is another's
  /// child, that sees a normal end, and starts it again if it is permanent.
  /// Suspends: until it has ended; from within, not at all.
  /// Cancel:   safe; it goes on to stop.
  /// Errors:   errc::deadline_exceeded, naming the children that were left behind; and those of all commands.
  [[nodiscard]] task<result<void>> stop(duration limit) const;

  /// All children, in the order in which they are started.
  [[nodiscard]] task<result<std::vector<child_info>>> which_children() const;
  [[nodiscard]] task<result<child_counts>> count_children() const;

  /// The name in its options.
  [[nodiscard]] std::string name() const;
  [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }
  friend bool operator==(const any_supervisor&, const any_supervisor&) = default;

  /// Not for users.
  explicit any_supervisor(detail::core_ptr core) noexcept : core_(std::move(core)) {}
  [[nodiscard]] const detail::core_ptr& core() const noexcept { return core_; }

 private:
  detail::core_ptr core_;
};

/// The handle of a supervisor whose children have ids.
///
/// A child that ends is dealt with as its restart_type says:
///
/// | it ended            | permanent | transient      | temporary    |
/// |---------------------|-----------|----------------|--------------|
/// | normally            | restarted | stays, stopped | spec deleted |
/// | with an error       | restarted | restarted      | spec deleted |
///
/// Each restart counts; more than `intensity` within `period`, and the supervisor stops all its children and ends with
/// an error. A restart that fails to start the child counts as the next one, and is tried again after what was sent to
/// the supervisor meanwhile. With a delay (supervisor_options::backoff) it counts when it is decided on; what is to be
/// stopped for it is stopped before the delay.
class supervisor : public any_supervisor {
 public:
  supervisor() = default;

  /// Adds a child behind the others and starts it. Gives child_state::stopped if it had nothing to run. If the
  /// supervisor is another's child and is started again, it is without what was added so.
  /// Errors: errc::already_exists if there is a child with this id, running or not; errc::invalid_argument; what the
  ///         child failed to start with, and then its spec is dropped. And those of all commands.
  [[nodiscard]] task<result<child_state>> start_child(child_spec spec) const;

  /// Stops the child, if it runs, and keeps its spec, unless it is temporary. A restart that it is about to have does
  /// not happen. A restart of others may start it again.
  /// Errors: errc::not_found. And those of all commands.
  [[nodiscard]] task<result<void>> terminate_child(std::string id) const;

  /// Starts a child that is stopped.
  /// Errors: errc::not_found; errc::failed_precondition if it runs, or is about to be started again; what it failed to
  ///         start with. And those of all commands.
  [[nodiscard]] task<result<child_state>> restart_child(std::string id) const;

  /// Deletes the spec of a child that is stopped. If the supervisor is another's child and is started again, the
  /// children that it was made with are there again.
  /// Errors: errc::not_found; errc::failed_precondition if it runs, or is about to be started again. And those of all
  ///         commands.
  [[nodiscard]] task<result<void>> delete_child(std::string id) const;

  /// Errors: errc::not_found. And those of all commands.
  [[nodiscard]] task<result<child_description>> get_child_spec(std::string id) const;

  /// Not for users.
  explicit supervisor(detail::core_ptr core) noexcept : any_supervisor(std::move(core)) {}
};

/// Whether a supervisor could begin with these children.
/// Errors: errc::invalid_argument: an empty id, one that occurs twice; a significant child that is permanent, or one
///         where there is no auto_shutdown.
[[nodiscard]] result<void> check_child_specs(const std::vector<child_spec>& specs,
                                             auto_shutdown shut_down_on = auto_shutdown::never);

/// Starts a supervisor at the root of a tree: its children in order, each when the one before is up. Returns at once:
/// any_supervisor::started() tells how that went.
///
/// It ends when it is told to, when it gives up or shuts itself down, and with its system: system::shutdown() first has
/// it stop its children in order, and waits. It counts as one of the system's actors.
///
/// Threads: any; nothing needs to run yet. The system must outlive it.
/// Errors:  throws std::bad_alloc.
[[nodiscard]] supervisor start_supervisor(detail::system_at home, supervisor_options options,
                                          std::vector<child_spec> children);
template <detail::spec_of_child... Specs>
[[nodiscard]] supervisor start_supervisor(detail::system_at home, supervisor_options options, Specs&&... children) {
  return start_supervisor(home, std::move(options), detail::list_of(std::forward<Specs>(children)...));
}

/// The spec of a child that is a supervisor, with its handle, which stays valid over restarts.
template <class Handle>
class [[nodiscard]] supervisor_spec : public child_spec {
 public:
  [[nodiscard]] const Handle& handle() const noexcept { return handle_; }

  /// Not for users.
  supervisor_spec(child_options options, Handle handle)
      : child_spec(detail::child_of_core(std::move(options), handle.core())), handle_(std::move(handle)) {}

 private:
  Handle handle_;
};

/// A child that is a supervisor with children of its own, which it begins with whenever it is started. It is up when
/// they are.
///
/// ```
/// auto readers = supervisor_child("readers", {.name = "readers"}, task_child("a", &read_a), task_child("b", &read_b));
/// const supervisor reading = readers.handle();
/// auto tree = start_supervisor(sys, {}, std::move(readers), task_child("sink", &store));
/// ```
[[nodiscard]] supervisor_spec<supervisor> supervisor_child(child_options options, supervisor_options own,
                                                           std::vector<child_spec> children);
template <detail::spec_of_child... Specs>
[[nodiscard]] supervisor_spec<supervisor> supervisor_child(child_options options, supervisor_options own,
                                                           Specs&&... children) {
  return supervisor_child(std::move(options), std::move(own), detail::list_of(std::forward<Specs>(children)...));
}

}  // namespace tandem::actors
