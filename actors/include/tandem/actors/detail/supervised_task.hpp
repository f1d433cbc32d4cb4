// Tasks and groups as children of a supervisor.
#pragma once
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/child.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors {

/// Given to a task that tells when it is up: see task_child().
///
/// Threads: as the task.
class child_start {
 public:
  /// What the task needs is there; the supervisor goes on to the next child. Later calls do nothing.
  void ready() noexcept {
    if (!std::exchange(said_, true)) life_.ready();
  }

  /// Not for users.
  explicit child_start(detail::child_life life) noexcept : life_(std::move(life)) {}
  child_start(const child_start&) = delete;
  child_start& operator=(const child_start&) = delete;

 private:
  detail::child_life life_;
  bool said_ = false;
};

namespace detail {

template <class T>
concept life_outcome = std::same_as<T, task<void>> || std::same_as<T, task<result<void>>>;

template <class F>
concept plain_life = requires(F& f) {
  { f() } -> life_outcome;
};
template <class F>
concept starting_life = requires(F& f, child_start& s) {
  { f(s) } -> life_outcome;
};
template <class F>
concept group_life = requires(F& f, csp::group& g) {
  { f(g) } -> std::same_as<void>;
}
|| requires(F& f, csp::group& g) {
  { f(g) } -> life_outcome;
};

// GCC warns of the coroutines' frames when the function is a lambda of a file, where they are as they should be.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
/// What came of `body`, whose frame is gone afterwards.
template <class T>
task<error> outcome_of(task<T> body) {
  error failure;
  try {
    task<T> running(std::move(body));
    if constexpr (std::is_void_v<T>) {
      co_await std::move(running).unlisted();
    } else if (auto ended = co_await std::move(running).unlisted(); !ended) {
      failure = std::move(ended).error();
    }
  } catch (...) {
    failure = from_exception(std::current_exception());
  }
  co_return failure;
}

template <class F>
task<void> live_as_task(std::shared_ptr<F> function, child_life life) {
  error reason;
  try {
    if constexpr (starting_life<F>) {
      child_start start(life);
      auto body = (*function)(start);
      reason = co_await outcome_of(std::move(body)).unlisted();
    } else {
      auto body = (*function)();
      reason = co_await outcome_of(std::move(body)).unlisted();
    }
  } catch (...) {
    reason = from_exception(std::current_exception());  // of a function that is no coroutine
  }
  function.reset();
  life.ended(std::move(reason));
}

template <class F>
task<error> fill(F& function, csp::group& g) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&, csp::group&>>) {
    function(g);
    co_return error();
  } else {
    auto body = function(g);
    co_return co_await outcome_of(std::move(body)).unlisted();
  }
}

template <class F>
task<error> run_group(F& function, const child_life& life, std::source_location where) {
  csp::group g(where);
  error failure;
  try {
    failure = co_await fill(function, g).unlisted();
  } catch (...) {
    failure = from_exception(std::current_exception());
  }
  if (failure) {
    g.cancel(std::move(failure));
  } else {
    life.ready();
  }
  if (auto ended = co_await g.wait(); !ended) co_return ended.error();
  co_return error();
}

template <class F>
task<void> live_as_group(std::shared_ptr<F> function, child_life life, std::source_location where) {
  error reason;
  try {
    reason = co_await run_group(*function, life, where).unlisted();
  } catch (...) {
    reason = from_exception(std::current_exception());
  }
  function.reset();
  life.ended(std::move(reason));
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/// A child that is a task: it is asked to end by the end of its context.
class task_like_child : public child {
 public:
  explicit task_like_child(std::source_location where) noexcept : where_(where) {}

  void stop(const error& reason) noexcept override {
    if (own_) own_->cancel(reason);
  }
  void kill(const error& reason) noexcept override { stop(reason); }

 protected:
  void launch(const child_life& life, task<void> body, const char* name) {
    own_.emplace(life.base_context());
    life.spawn(std::move(body), name, own_->context(), where_);
  }
  [[nodiscard]] std::source_location where() const noexcept { return where_; }

 private:
  const std::source_location where_;
  std::optional<cancel_source> own_;  // of the life that was begun last
};

// A life that was given up goes on, and may still call the function: each life has a share of it.
template <class F>
class supervised_task final : public task_like_child {
 public:
  supervised_task(F function, std::source_location where)
      : task_like_child(where), function_(std::make_shared<F>(std::move(function))) {}

  [[nodiscard]] bool start(const child_life& life) override {
    launch(life, live_as_task(function_, life), "supervised task");
    return !starting_life<F>;
  }

 private:
  const std::shared_ptr<F> function_;
};

template <class F>
class supervised_group final : public task_like_child {
 public:
  supervised_group(F function, std::source_location where)
      : task_like_child(where), function_(std::make_shared<F>(std::move(function))) {}

  [[nodiscard]] bool start(const child_life& life) override {
    launch(life, live_as_group(function_, life, where()), "supervised group");
    return false;
  }

 private:
  const std::shared_ptr<F> function_;
};

/// A function of a template, with the arguments of one child.
template <class F, class... Args>
class bound_life {
 public:
  bound_life(std::shared_ptr<F> function, Args... args) : function_(std::move(function)), args_(std::move(args)...) {}

  auto operator()() requires std::invocable<F&, Args&...> { return std::apply(*function_, args_); }
  auto operator()(child_start& start) requires std::invocable<F&, child_start&, Args&...> {
    return std::apply([&](Args&... args) { return (*function_)(start, args...); }, args_);
  }

 private:
  std::shared_ptr<F> function_;
  std::tuple<Args...> args_;
};

}  // namespace detail
}  // namespace tandem::actors
