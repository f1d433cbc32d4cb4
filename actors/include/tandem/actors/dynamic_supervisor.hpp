// dynamic_supervisor: any number of children of one kind, started one by one. OTP's simple_one_for_one.
//
//   auto sessions = start_supervisor(sys, {.name = "sessions"},
//                                    task_template<int>(child_options("session", restart_type::temporary), &serve));
//   auto begun = co_await or_return(sessions.start_child(descriptor));  // task<result<void>> serve(int descriptor)
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <tandem/actors/child_spec.hpp>
#include <tandem/actors/detail/supervised_task.hpp>
#include <tandem/actors/supervisor.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors {

/// A child that a dynamic_supervisor has started.
template <class Handle>
struct started_child {
  std::uint64_t number = 0;                  ///< Names it to its supervisor.
  child_state state = child_state::stopped;  ///< Stopped: it had nothing to run, and is forgotten.
  Handle handle;
};
template <>
struct started_child<void> {
  std::uint64_t number = 0;
  child_state state = child_state::stopped;
};

namespace detail {
template <class Handle>
struct made_child {
  std::shared_ptr<child> what;
  Handle handle;
};
template <>
struct made_child<void> {
  std::shared_ptr<child> what;
};

template <class Handle>
task<result<started_child<Handle>>> start_made(core_ptr core, made_child<Handle> made) {
  auto added = co_await add_dynamic(std::move(core), std::move(made.what));
  if (!added) co_return fail(std::move(added).error());
  if constexpr (std::is_void_v<Handle>) {
    started_child<void> started{added->number, added->state};
    co_return started;
  } else {
    started_child<Handle> started{added->number, added->state, std::move(made.handle)};
    co_return started;
  }
}
}  // namespace detail

template <class Signature>
class child_template;

/// How the children of a dynamic_supervisor are made from `Args`. The id in the options is not used.
template <class Handle, class... Args>
class [[nodiscard]] child_template<Handle(Args...)> {
 public:
  using maker = std::function<detail::made_child<Handle>(Args...)>;

  /// Not for users.
  child_template(child_options options, child_type type, maker make)
      : like_(std::move(options), type, nullptr), make_(std::make_shared<const maker>(std::move(make))) {}
  [[nodiscard]] child_spec take_likeness() && { return std::move(like_); }
  [[nodiscard]] const std::shared_ptr<const maker>& make() const noexcept { return make_; }

 private:
  child_spec like_;
  std::shared_ptr<const maker> make_;
};

/// Children that are tasks, each with `Args` of its own: `function(args...)` or `function(child_start&, args...)` is
/// called for each life, with the same arguments, which stay where they are: it may take them by reference. Otherwise
/// as task_child().
template <class... Args, class F>
[[nodiscard]] child_template<void(Args...)> task_template(child_options options, F function) {
  using bound = detail::bound_life<F, Args...>;
  static_assert(
      detail::plain_life<bound> != detail::starting_life<bound>,
      "the function is called as f(args...) or f(child_start&, args...), with lvalues, and gives a task<void> "
      "or a task<result<void>>");
  auto shared = std::make_shared<F>(std::move(function));
  const std::source_location where = options.where;
  return child_template<void(Args...)>(std::move(options), child_type::worker, [shared, where](Args... args) {
    return detail::made_child<void>{
        std::make_shared<detail::supervised_task<bound>>(bound(shared, std::move(args)...), where)};
  });
}

/// The handle of a supervisor whose children are made from a template, and known by numbers.
///
/// Each is restarted for itself, with the arguments and the number it had. One that ended and is not restarted is
/// forgotten, whatever its restart_type. All are told to end at once when the supervisor ends, and share the time for
/// that; so the order in which they end is not defined. There is no delete_child() or restart_child().
///
/// Owns, Threads: as any_supervisor.
template <class Signature>
class dynamic_supervisor;
template <class Handle, class... Args>
class dynamic_supervisor<Handle(Args...)> : public any_supervisor {
 public:
  using maker = typename child_template<Handle(Args...)>::maker;

  dynamic_supervisor() = default;

  /// Makes a child and starts it.
  /// Errors: what it failed to start with; it is forgotten then. And those of all commands. Throws what making it
  /// throws.
  [[nodiscard]] task<result<started_child<Handle>>> start_child(Args... args) const {
    return detail::start_made<Handle>(core(), make_ ? (*make_)(std::move(args)...) : detail::made_child<Handle>());
  }

  /// Stops a child, and forgets it.
  /// Errors: errc::not_found. And those of all commands.
  [[nodiscard]] task<result<void>> terminate_child(std::uint64_t number) const {
    return detail::terminate_dynamic(core(), number);
  }

  /// Not for users.
  dynamic_supervisor(detail::core_ptr core, std::shared_ptr<const maker> make) noexcept
      : any_supervisor(std::move(core)), make_(std::move(make)) {}

 private:
  std::shared_ptr<const maker> make_;
};

namespace detail {
template <class Signature>
[[nodiscard]] dynamic_supervisor<Signature> make_dynamic(supervisor_options options, child_template<Signature> children,
                                                         std::source_location where) {
  auto make = children.make();
  return {make_dynamic_core(std::move(options), std::move(children).take_likeness(), where), std::move(make)};
}
}  // namespace detail

/// Starts a dynamic_supervisor at the root of a tree, without children. As the other start_supervisor(). Its strategy
/// is one_for_one.
template <class Signature>
[[nodiscard]] dynamic_supervisor<Signature> start_supervisor(detail::system_at home, supervisor_options options,
                                                             child_template<Signature> children) {
  auto made = detail::make_dynamic(std::move(options), std::move(children), home.where);
  detail::start_root(home.home, made.core());
  return made;
}

/// A child that is a dynamic_supervisor. As the other supervisor_child().
template <class Signature>
[[nodiscard]] supervisor_spec<dynamic_supervisor<Signature>> supervisor_child(child_options options,
                                                                              supervisor_options own,
                                                                              child_template<Signature> children) {
  auto made = detail::make_dynamic(std::move(own), std::move(children), options.where);
  return supervisor_spec<dynamic_supervisor<Signature>>(std::move(options), std::move(made));
}

}  // namespace tandem::actors
