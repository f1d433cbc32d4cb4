// Pipelines: values flow from a source through stages to a sink, each stage in tasks of its own, joined by channels.
#pragma once
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/stages.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp {

/// How many values may wait between two stages.
inline constexpr std::size_t stage_buffer = 16;

/// A pipeline with a sink: ready to run.
class complete_pipeline {
 public:
  /// Runs every stage and waits until all have ended. No task and no stage function exists any more after it.
  ///
  /// Suspends: until the source is exhausted and the last value went through the sink, or a stage failed.
  /// Cancel:   ends every stage; values under way are destroyed. run() returns when all stages have noticed.
  /// Errors:   the first of a stage that failed (an exception arrives as an error), which cancels all the others;
  ///           errc::cancelled, errc::deadline_exceeded.
  [[nodiscard]] task<result<void>> run() && { return run_stages(std::move(start_)); }

  /// Not for users: made by pipeline's sinks.
  explicit complete_pipeline(std::move_only_function<void(group&)> start) : start_(std::move(start)) {}

 private:
  static task<result<void>> run_stages(std::move_only_function<void(group&)> start) {
    group stages;
    try {
      start(stages);
    } catch (...) {
      stages.cancel(from_exception(std::current_exception()));
    }
    co_return co_await stages.wait();
  }

  std::move_only_function<void(group&)> start_;
};

/// A source and some stages that yield values of T. Nothing runs before run() or start().
///
/// ```
/// auto lengths = from(std::move(paths)).map(4, read_file).filter(not_empty).for_each(print_size);
/// result<void> done = co_await std::move(lengths).run();
/// ```
/// Stage functions are called on workers and must not block; where a stage has a concurrency n, n tasks share one
/// function object and call it at the same time from several threads. With n > 1 values may overtake each other.
/// At most stage_buffer values wait between two stages, so a slow stage slows down what is before it.
///
/// A stage that ends early closes the channel before it, which ends the stages before it without an error.
///
/// Owns: what it was made of; every operation consumes the pipeline it is called on.
template <class T>
class [[nodiscard]] pipeline {
 public:
  using value_type = T;

  /// Applies `f` to each value, up to `n` at a time. `f(T)` gives U, result<U>, task<U> or task<result<U>>.
  template <class F, class U = detail::stage_value_t<F, T>>
  pipeline<U> map(std::size_t n, F f) && {
    check(n);
    return pipeline<U>([before = std::move(start_), n, f = std::make_shared<F>(std::move(f))](group& g) mutable {
      receiver<T> in = before(g);
      auto [out, result_end] = make_channel<U>(stage_buffer);
      for (std::size_t i = 0; i < n; ++i) g.go(detail::map_stage<T, U, F>(in, out, f), "map stage");
      f.reset();  // the stages' alone from here on
      return std::move(result_end);
    });
  }

  /// Passes on the values for which `keep(const T&)` is true, in order.
  template <std::predicate<const T&> F>
  pipeline filter(F keep) && {
    return pipeline([before = std::move(start_), keep = std::move(keep)](group& g) mutable {
      receiver<T> in = before(g);
      auto [out, result_end] = make_channel<T>(stage_buffer);
      g.go(detail::filter_stage<T, F>(std::move(in), std::move(out), std::move(keep)), "filter stage");
      return std::move(result_end);
    });
  }

  /// Turns each value into any number of values of U, up to `n` at a time: `f(T, const sender<U>&)` gives a
  /// task<result<void>> and sends what it likes. It should end with the send's error if one fails; any other error,
  /// errc::closed of another channel included, fails the pipeline.
  template <class U, class F>
    requires std::same_as<std::invoke_result_t<F&, T, const sender<U>&>, task<result<void>>>
  pipeline<U> flat_map(std::size_t n, F f) && {
    check(n);
    return pipeline<U>([before = std::move(start_), n, f = std::make_shared<F>(std::move(f))](group& g) mutable {
      receiver<T> in = before(g);
      auto [out, result_end] = make_channel<U>(stage_buffer);
      for (std::size_t i = 0; i < n; ++i) g.go(detail::flat_map_stage<T, U, F>(in, out, f), "flat_map stage");
      f.reset();
      return std::move(result_end);
    });
  }

  /// Ends the pipeline: hands each value to `f`, up to `n` at a time. `f(T)` gives void, result<void>, task<void> or
  /// task<result<void>>.
  template <class F>
    requires std::is_void_v<detail::stage_value_t<F, T>>
  complete_pipeline for_each(std::size_t n, F f) && {
    check(n);
    return complete_pipeline([before = std::move(start_), n, f = std::make_shared<F>(std::move(f))](group& g) mutable {
      receiver<T> in = before(g);
      for (std::size_t i = 0; i < n; ++i) g.go(detail::sink_stage<T, F>(in, f), "for_each stage");
      f.reset();
    });
  }
  /// for_each() of one value at a time, in order.
  template <class F>
  complete_pipeline for_each(F f) && {
    return std::move(*this).for_each(1, std::move(f));
  }

  /// Starts the stages in a group of the caller's and gives the channel the values come out of. Dropping the receiver
  /// ends the stages; the group's wait() tells how they ended.
  [[nodiscard]] receiver<T> start(group& g) && { return start_(g); }

  /// Not for users: made by from() and by the stages.
  explicit pipeline(std::move_only_function<receiver<T>(group&)> start) : start_(std::move(start)) {}

 private:
  static void check(std::size_t n) {
    if (n == 0) throw std::invalid_argument("a stage needs at least one task");
  }

  std::move_only_function<receiver<T>(group&)> start_;
};

/// The elements of `range`, in order: a container is taken over and emptied, a view's elements are copied.
template <std::ranges::input_range Range>
pipeline<std::ranges::range_value_t<Range>> from(Range range) {
  using T = std::ranges::range_value_t<Range>;
  return pipeline<T>([range = std::move(range)](group& g) mutable {
    auto [out, result_end] = make_channel<T>(stage_buffer);
    g.go(detail::read_range<Range, T>(std::move(range), std::move(out)), "source");
    return std::move(result_end);
  });
}

/// The values of a channel, until it is closed.
template <class T>
pipeline<T> from(receiver<T> in) {
  return pipeline<T>([in = std::move(in)](group&) mutable { return std::move(in); });
}

}  // namespace tandem::csp
