// A group of tasks that each give a value: start them with go(), get all values with wait(), in the order of go().
//
//   collect<page> pages;
//   for (auto& url : urls) pages.go(fetch(url));  // each a task<result<page>>
//   result<std::vector<page>> all = co_await pages.wait();
#pragma once
#include <concepts>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/csp/group.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp {

namespace detail {

template <class R, class T>
concept collected_outcome = std::same_as<R, T> || std::same_as<R, result<T>>;

template <class F, class T>
concept collected_function =
    task_function<F&> && collected_outcome<typename std::invoke_result_t<F&>::value_type, T>;

/// What the values are put into. Each task has a place of its own; places stay where they are.
template <class T>
class collected : public std::enable_shared_from_this<collected<T>> {
 public:
  using place = std::optional<T>;

  /// A new place, which keeps all of them: a task may outlive the collect.
  [[nodiscard]] std::shared_ptr<place> add() {
    const std::lock_guard hold(lock_);
    return std::shared_ptr<place>(this->shared_from_this(), &places_.emplace_back());
  }

  /// Once nobody writes any more.
  [[nodiscard]] std::vector<T> take() {
    std::vector<T> all;
    all.reserve(places_.size());
    for (place& p : places_)
      if (p) all.push_back(std::move(*p));
    places_.clear();
    return all;
  }
  void clear() noexcept { places_.clear(); }

 private:
  std::mutex lock_;  // guards the structure, not the places; held for an allocation
  std::deque<place> places_;
};

template <class T, class R>
task<result<void>> collect_one(std::shared_ptr<std::optional<T>> into, task<R> body) {
  task<R> running(std::move(body));
  if constexpr (std::same_as<R, result<T>>) {
    auto ended = co_await std::move(running).unlisted();
    if (!ended) co_return fail(std::move(ended).error());
    into->emplace(std::move(*ended));
  } else {
    into->emplace(co_await std::move(running).unlisted());
  }
  co_return result<void>();
}

template <class T, class F>
task<result<void>> collect_call(std::shared_ptr<std::optional<T>> into, F function) {
  F running(std::move(function));
  co_return co_await collect_one<T>(std::move(into), running()).unlisted();
}

}  // namespace detail

/// A group whose tasks give values of T. Bodies are task<T>, task<result<T>>, or functions that give one.
///
/// Errors, limits, cancellation and the end are those of a group: the first body that fails, by an error or an
/// exception, ends the context of the others. Then there are no values.
///
/// Owns:    as group; and the values, until wait() gives them out.
/// Threads: as group. Made and used by tasks only.
template <class T>
class collect {
  static_assert(std::is_object_v<T>, "tasks without a value need no collect: use a group");

 public:
  /// Errors: throws std::bad_alloc.
  explicit collect(std::source_location where = std::source_location::current())
      : values_(std::make_shared<detail::collected<T>>()), tasks_(where) {}

  /// As group::go().
  template <detail::collected_outcome<T> R>
  void go(task<R> body, const char* name = "collect task",
          std::source_location where = std::source_location::current()) {
    tasks_.go(detail::collect_one<T>(values_->add(), std::move(body)), name, where);
  }
  template <detail::collected_function<T> F>
  void go(F body, const char* name = "collect task", std::source_location where = std::source_location::current()) {
    tasks_.go(detail::collect_call<T>(values_->add(), std::move(body)), name, where);
  }

  /// As group::try_go(): if the limit is reached, `body` is left untouched, and has no place among the values.
  template <detail::collected_outcome<T> R>
  [[nodiscard]] bool try_go(task<R>&& body, const char* name = "collect task",
                            std::source_location where = std::source_location::current()) {
    return try_start([&] { return detail::collect_one<T>(values_->add(), std::move(body)); }, name, where);
  }
  template <class F>
    requires detail::collected_function<std::remove_cvref_t<F>, T>
  [[nodiscard]] bool try_go(F&& body, const char* name = "collect task",
                            std::source_location where = std::source_location::current()) {
    return try_start(
        [&] { return detail::collect_call<T, std::remove_cvref_t<F>>(values_->add(), std::forward<F>(body)); }, name,
        where);
  }

  /// As group::set_limit().
  void set_limit(std::size_t n) { tasks_.set_limit(n); }

  /// As group::cancel().
  void cancel(error cause = error_of(errc::cancelled)) noexcept { tasks_.cancel(std::move(cause)); }

  /// Waits until every body has ended, and gives the values in the order in which the bodies were handed to go(),
  /// whenever they ended; of bodies handed over by several tasks at once, in one of the possible orders. If all was
  /// well, the collect can be used again, and starts without values.
  ///
  /// Suspends, Cancel, Errors: as group::wait().
  [[nodiscard]] task<result<std::vector<T>>> wait() {
    auto ended = co_await tasks_.wait();
    if (!ended) {
      values_->clear();
      co_return fail(std::move(ended).error());
    }
    co_return values_->take();
  }

  /// What the bodies run under.
  [[nodiscard]] const tandem::context& context() const noexcept { return tasks_.context(); }

 private:
  template <class Make>
  bool try_start(Make make, const char* name, std::source_location where) {
    return tasks_.try_start([&] { return detail::run_in_group(tasks_.share(), make()); }, name, where);
  }

  const std::shared_ptr<detail::collected<T>> values_;
  group tasks_;
};

/// Runs `body(c)` with a collect<T> c and waits for it, however `body` ends, as with_group() does for a group.
/// ```
/// auto fetch_all = [&](collect<page>& c) -> task<> { for (auto& url : urls) c.go(fetch(url)); co_return; };
/// result<std::vector<page>> pages = co_await with_collect<page>(fetch_all);
/// ```
/// With g++ 12, name a function that captures by value before the expression that awaits this.
///
/// Suspends, Cancel, Errors: as collect::wait().
template <class T, class F>
  requires task_function<F&, collect<T>&> &&
           detail::group_outcome<typename std::invoke_result_t<F&, collect<T>&>::value_type>
[[nodiscard]] task<result<std::vector<T>>> with_collect(F body) {
  collect<T> values;
  try {
    if constexpr (std::same_as<std::invoke_result_t<F&, collect<T>&>, task<void>>) {
      co_await body(values);
    } else if (auto ended = co_await body(values); !ended) {
      values.cancel(std::move(ended).error());
    }
  } catch (...) {
    values.cancel(from_exception(std::current_exception()));
  }
  co_return co_await values.wait();
}

}  // namespace tandem::csp
