// Pipelines: values flow from a source through stages to a sink, each stage in tasks of its own, joined by channels.
//
//   auto lengths = from(std::move(paths)).map(4, read_file).filter(not_empty).for_each(print_size);
//   result<void> done = co_await std::move(lengths).run();
#pragma once
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/fan_stages.hpp>
#include <tandem/csp/detail/gathering_stages.hpp>
#include <tandem/csp/detail/pipeline_run.hpp>
#include <tandem/csp/detail/stages.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/csp/on_error.hpp>
#include <tandem/csp/rate.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::csp {

/// How many values may wait between two stages.
inline constexpr std::size_t stage_buffer = 16;

/// A pipeline with a sink: ready to run.
class [[nodiscard]] complete_pipeline {
 public:
  /// Gives the sink a name, for errors and task reports: a literal, kept for ever.
  complete_pipeline named(const char* name) && {
    label_.name = name;
    return std::move(*this);
  }

  /// Runs every stage and waits until all have ended. No task and no stage function exists any more after it.
  ///
  /// Suspends: until the source is exhausted and the last value went through the sink, or a stage failed.
  /// Cancel:   ends every stage; values under way are destroyed. run() returns when all stages have noticed.
  /// Errors:   what the stages failed with, joined if they are several, each with the name of its stage around it and
  ///           in the field "stage"; an exception arrives as from_exception() makes it. Otherwise errc::cancelled,
  ///           errc::deadline_exceeded.
  ///           Throws std::logic_error for a pipeline that was run or moved from.
  [[nodiscard]] task<result<void>> run(on_error how = on_error::stop) && {
    if (!begin_) throw std::logic_error("tandem: a pipeline that was run already, or moved from");
    return run_to_end(std::move(*this), how);
  }

  /// Not for users: made by pipeline's sinks.
  using begin_function = std::move_only_function<void(detail::pipeline_start&, const detail::stage_label&)>;
  complete_pipeline(const detail::stage_label& label, begin_function begin) : label_(label), begin_(std::move(begin)) {}
  void begin(detail::pipeline_start& start) { begin_(start, label_); }

 private:
  static task<result<void>> run_to_end(complete_pipeline self, on_error how) {
    group tasks;
    detail::pipeline_start start(tasks, how);
    try {
      self.begin(start);
    } catch (...) {
      tasks.cancel(from_exception(std::current_exception()));
    }
    auto ended = co_await tasks.wait();
    if (error failed = start.run->take_failure()) co_return fail(std::move(failed));
    co_return ended;
  }

  detail::stage_label label_;
  begin_function begin_;
};

/// A source and some stages that yield values of T. Nothing runs before run() or start().
///
/// Stage functions are called on workers and must not block (make_async() helps); where a stage has a concurrency n, n
/// tasks share one function object and call it at the same time from several threads. With n > 1 values may overtake
/// each other, but for map_ordered(). At most stage_buffer values wait between two stages, so a slow stage slows down
/// what is before it, and memory stays flat.
///
/// A stage that ends early closes the channel before it, which ends the stages before it without an error.
///
/// A stage fails by an error or an exception of its function. Then it and the stages before it are told to end, and so
/// is whatever takes in values: their contexts are over, none of them begins another value, and what they have in
/// hand is destroyed. What has left the failed stage is destroyed or goes on, as on_error says. A stage that ends
/// because it was told to adds nothing to the error of the run.
///
/// Each stage has a name, for errors and task reports: what it does and its number in the run, counted from the source,
/// as in map#2, unless named() gives it one.
///
/// Owns:   what it was made of; every operation consumes the pipeline it is called on.
/// Errors: operations throw std::invalid_argument for a number that makes no sense, zero tasks say, and
///         std::logic_error for a pipeline that was consumed already.
template <class T>
class [[nodiscard]] pipeline {
 public:
  using value_type = T;

  /// Gives the last stage a name: a literal, kept for ever. A channel as the source is no stage.
  pipeline named(const char* name) && {
    label_.name = name;
    return std::move(*this);
  }

  // One value in, any number out.

  /// Applies `f` to each value, up to `n` at a time. `f(T)` gives U, result<U>, task<U> or task<result<U>>.
  template <class F, class U = detail::stage_value_t<F, T>>
  pipeline<U> map(std::size_t n, F f, std::source_location where = std::source_location::current()) && {
    require(n != 0, "a stage needs at least one task");
    auto function = std::make_shared<F>(std::move(f));
    return std::move(*this).template then<U>(
        "map", where,
        [n, function = std::move(function)](const detail::stage_start& stage, receiver<T> in, sender<U> out) {
          for (std::size_t i = 0; i < n; ++i) stage.go(detail::map_stage<T, U, F>(in, out, function));
        });
  }

  /// map() whose results come in the order of the values, while up to `n` calls run at a time. A slow call holds up
  /// those behind it once each of the n tasks has two results ready.
  template <class F, class U = detail::stage_value_t<F, T>>
  pipeline<U> map_ordered(std::size_t n, F f, std::source_location where = std::source_location::current()) && {
    require(n != 0, "a stage needs at least one task");
    auto function = std::make_shared<F>(std::move(f));
    return std::move(*this).template then<U>(
        "map_ordered", where,
        [n, function = std::move(function)](const detail::stage_start& stage, receiver<T> in, sender<U> out) {
          std::vector<sender<T>> dealt;
          std::vector<receiver<U>> results;
          for (std::size_t i = 0; i < n; ++i) {
            auto [to_task, task_in] = make_channel<T>(1, stage.where());
            auto [task_out, from_task] = make_channel<U>(1, stage.where());
            dealt.push_back(std::move(to_task));
            results.push_back(std::move(from_task));
            stage.go(detail::map_stage<T, U, F>(std::move(task_in), std::move(task_out), function));
          }
          stage.go(detail::undeal_stage<U>(std::move(results), std::move(out)));
          stage.go(detail::deal_stage<T>(std::move(in), std::move(dealt)));
        });
  }

  /// Passes on the values for which `keep(const T&)` is true, in order.
  template <std::predicate<const T&> F>
  pipeline filter(F keep, std::source_location where = std::source_location::current()) && {
    return std::move(*this).template then<T>(
        "filter", where,
        [keep = std::move(keep)](const detail::stage_start& stage, receiver<T> in, sender<T> out) mutable {
          stage.go(detail::filter_stage<T, F>(std::move(in), std::move(out), std::move(keep)));
        });
  }

  /// Turns each value into any number of values of U, up to `n` at a time: `f(T, const sender<U>&)` gives a
  /// task<result<void>> and sends what it likes. It should end with the send's error if one fails; any other error,
  /// errc::closed of another channel included, fails the pipeline.
  template <class U, class F>
    requires std::same_as<std::invoke_result_t<F&, T, const sender<U>&>, task<result<void>>>
  pipeline<U> flat_map(std::size_t n, F f, std::source_location where = std::source_location::current()) && {
    require(n != 0, "a stage needs at least one task");
    auto function = std::make_shared<F>(std::move(f));
    return std::move(*this).template then<U>(
        "flat_map", where,
        [n, function = std::move(function)](const detail::stage_start& stage, receiver<T> in, sender<U> out) {
          for (std::size_t i = 0; i < n; ++i) stage.go(detail::flat_map_stage<T, U, F>(in, out, function));
        });
  }

  /// Drops a value if an equal one is among the last `remember` different ones that were passed on. With a `key`,
  /// values are equal whose `key(const T&)` are. Keys need == and std::hash; copies of them are kept. What does not
  /// equal itself, as a NaN, is always passed on, and never remembered.
  template <class Key = std::identity>
  pipeline distinct(std::size_t remember, Key key = {},
                    std::source_location where = std::source_location::current()) && {
    require(remember != 0, "distinct() must remember at least one value");
    return std::move(*this).template then<T>(
        "distinct", where,
        [remember, key = std::move(key)](const detail::stage_start& stage, receiver<T> in, sender<T> out) mutable {
          stage.go(detail::distinct_stage<T, Key>(std::move(in), std::move(out), remember, std::move(key)));
        });
  }

  // Several values together.

  /// Gathers values, in order: gives them on when there are `most`, when `every` has passed since the first of them
  /// (zero or less: when no more are there), or at the end. Never gives an empty batch.
  pipeline<std::vector<T>> batch(std::size_t most, duration every = duration::max(),
                                 std::source_location where = std::source_location::current()) && {
    require(most != 0, "a batch needs room for at least one value");
    return std::move(*this).template then<std::vector<T>>(
        "batch", where,
        [most, every](const detail::stage_start& stage, receiver<T> in, sender<std::vector<T>> out) {
          stage.go(detail::batch_stage<T>(std::move(in), std::move(out), most, every));
        });
  }

  /// `size` successive values at a time, a new window beginning `step` values after the last did; so they overlap if
  /// `step` < `size`, and values between them are dropped if it is more. Only whole windows; batch(size) keeps the
  /// rest.
  pipeline<std::vector<T>> window(std::size_t size, std::size_t step,
                                  std::source_location where = std::source_location::current()) &&
    requires std::copy_constructible<T>
  {
    require(size != 0 && step != 0, "a window needs room for at least one value, and a step");
    return std::move(*this).template then<std::vector<T>>(
        "window", where,
        [size, step](const detail::stage_start& stage, receiver<T> in, sender<std::vector<T>> out) {
          stage.go(detail::count_window_stage<T>(std::move(in), std::move(out), size, step));
        });
  }

  /// The values that come within a `length` of time, one window after the other from the moment the stage starts, empty
  /// ones included. At the end the last window is cut short, if it has values. While a window cannot be handed on,
  /// nothing is received, and windows that end in that time are left out.
  /// Memory: holds as many values as come in a window.
  pipeline<std::vector<T>> window(duration length, std::source_location where = std::source_location::current()) && {
    return std::move(*this).timed_windows(length, length, where);
  }

  /// window(length) that overlap: each `step` comes one with the values of the last `length`.
  pipeline<std::vector<T>> window(duration length, duration step,
                                  std::source_location where = std::source_location::current()) &&
    requires std::copy_constructible<T>
  {
    return std::move(*this).timed_windows(length, step, where);
  }

  // Time.

  /// Lets values through at a rate; up to `burst` of them at once after a pause. See token_bucket.
  pipeline throttle(rate most, std::uint64_t burst = 1,
                    std::source_location where = std::source_location::current()) && {
    return std::move(*this).throttle(std::make_shared<token_bucket>(most, burst), where);
  }
  /// throttle() by a bucket that others take from, too.
  pipeline throttle(std::shared_ptr<token_bucket> bucket,
                    std::source_location where = std::source_location::current()) && {
    require(bucket != nullptr, "throttle() needs a bucket");
    return std::move(*this).template then<T>(
        "throttle", where,
        [bucket = std::move(bucket)](const detail::stage_start& stage, receiver<T> in, sender<T> out) mutable {
          stage.go(detail::throttle_stage<T>(std::move(in), std::move(out), std::move(bucket)));
        });
  }
  /// Lets values through with at least `interval` between two.
  pipeline pace(duration interval, std::source_location where = std::source_location::current()) && {
    return std::move(*this).throttle(rate::one_each(interval), 1, where);
  }

  // Several ways out.

  /// Sends a copy of each value into all of `sides`, before it goes on: at the pace of the slowest of them and of the
  /// pipeline. A side that somebody closes is left out from then on. Each side is closed at the end, unless it has
  /// other senders. As io.TeeReader with a pipe: the pipeline goes on, and whoever reads a side is outside of it. To
  /// split it into lines of stages that run and fail together, use broadcast().
  pipeline tee(std::vector<sender<T>> sides, std::source_location where = std::source_location::current()) &&
    requires std::copy_constructible<T>
  {
    return std::move(*this).template then<T>(
        "tee", where,
        [sides = std::move(sides)](const detail::stage_start& stage, receiver<T> in, sender<T> out) mutable {
          sides.push_back(std::move(out));
          stage.go(detail::copy_stage<T>(std::move(in), std::move(sides), detail::until::last_closed));
        });
  }
  /// tee() into one.
  pipeline tee(sender<T> side, std::source_location where = std::source_location::current()) &&
    requires std::copy_constructible<T>
  {
    return std::move(*this).tee(std::vector<sender<T>>(1, std::move(side)), where);
  }

  /// Ends in several lines, each of which sees every value, at the pace of the slowest. Each of `lines` is called here,
  /// with a pipeline that it gives back complete. A line that ends early is left out from then on. For copies into
  /// channels beside the pipeline, use tee().
  /// ```
  /// from(orders).broadcast([](auto in) { return std::move(in).map(4, encode).sink(journal); },
  ///                        [](auto in) { return std::move(in).for_each(bill); }).run();
  /// ```
  template <class... Lines>
    requires(std::copy_constructible<T> && sizeof...(Lines) > 0 &&
             (std::same_as<std::invoke_result_t<Lines&, pipeline<T>>, complete_pipeline> && ...))
  complete_pipeline broadcast(Lines... lines) && {
    const auto ends = std::make_shared<std::array<opened, sizeof...(Lines)>>();
    std::vector<complete_pipeline> complete;
    complete.reserve(sizeof...(Lines));
    std::size_t i = 0;
    (complete.push_back(lines(end_of_broadcast(ends, i++))), ...);
    return complete_pipeline(
        detail::stage_label("broadcast", label_.where),
        [before = take(), ends, complete = std::move(complete)](detail::pipeline_start& start,
                                                                          const detail::stage_label& label) mutable {
          opened in = before.open(start);
          const detail::stage_start stage(start, label, std::move(in.made_by));
          std::vector<sender<T>> to;
          for (opened& end : *ends) {
            auto [out, result_end] = make_channel<T>(stage_buffer, label.where);
            to.push_back(std::move(out));
            end.values = std::move(result_end);
            end.made_by.assign(1, &stage.node());
          }
          for (complete_pipeline& line : complete) line.begin(start);
          for (opened& end : *ends) end = opened();  // what no line took is closed
          stage.go(detail::copy_stage<T>(std::move(in.values), std::move(to), detail::until::all_closed));
        });
  }

  // Ends.

  /// Ends the pipeline: hands each value to `f`, up to `n` at a time. `f(T)` gives void, result<void>, task<void> or
  /// task<result<void>>.
  template <class F>
    requires std::is_void_v<detail::stage_value_t<F, T>>
  complete_pipeline for_each(std::size_t n, F f, std::source_location where = std::source_location::current()) && {
    require(n != 0, "a stage needs at least one task");
    auto function = std::make_shared<F>(std::move(f));
    return std::move(*this).finish(
        "for_each", where, [n, function = std::move(function)](const detail::stage_start& stage, receiver<T> in) {
          for (std::size_t i = 0; i < n; ++i) stage.go(detail::sink_stage<T, F>(in, function));
        });
  }
  /// for_each() of one value at a time, in order.
  template <class F>
    requires std::is_void_v<detail::stage_value_t<F, T>>
  complete_pipeline for_each(F f, std::source_location where = std::source_location::current()) && {
    return std::move(*this).for_each(1, std::move(f), where);
  }

  /// Ends the pipeline: sends each value to `into`, which is closed at the end unless it has other senders. If somebody
  /// else closes it, the pipeline ends without an error, when there is a value to send.
  complete_pipeline sink(sender<T> into, std::source_location where = std::source_location::current()) && {
    return std::move(*this).finish(
        "sink", where, [into = std::move(into)](const detail::stage_start& stage, receiver<T> in) mutable {
          stage.go(detail::forward_stage<T>(std::move(in), std::move(into)));
        });
  }

  /// Starts the stages in a group of the caller's and gives the channel the values come out of. Dropping the receiver
  /// ends the stages, each when it next has a value to send: to end those that wait for a source that is silent, cancel
  /// the group. The group's wait() tells how they ended: when the last of them has, their errors fail the group.
  /// Each task of a stage needs a place in the group: with a limit below that the pipeline stands still.
  [[nodiscard]] receiver<T> start(group& g, on_error how = on_error::stop) && {
    pipeline self = take();
    detail::pipeline_start s(g, how);
    return self.open(s).values;
  }

  /// Not for users.
  struct opened {
    receiver<T> values;
    std::vector<detail::stage_node*> made_by;
  };
  using open_function = std::move_only_function<opened(detail::pipeline_start&, const detail::stage_label&)>;
  pipeline(const detail::stage_label& label, open_function open) : label_(label), open_(std::move(open)) {}
  [[nodiscard]] opened open(detail::pipeline_start& start) { return open_(start, label_); }

  /// Not for users: a pipeline that begins with a stage of `Begin(stage_start, sender<T>)`.
  template <class Begin>
  static pipeline of_source(const detail::stage_label& label, Begin begin) {
    return pipeline(label,
                    [begin = std::move(begin)](detail::pipeline_start& start, const detail::stage_label& l) mutable {
                      const detail::stage_start stage(start, l, {});
                      auto [out, result_end] = make_channel<T>(stage_buffer, l.where);
                      begin(stage, std::move(out));
                      return opened{std::move(result_end), {&stage.node()}};
                    });
  }

 private:
  static void require(bool valid, const char* else_what) {
    if (!valid) throw std::invalid_argument(else_what);
  }

  pipeline take() {
    if (!open_) throw std::logic_error("tandem: a pipeline that was consumed already: go on with what the call gave");
    return std::move(*this);
  }

  /// One more stage; `Begin(stage_start, receiver<T>, sender<U>)` adds its tasks.
  template <class U, class Begin>
  pipeline<U> then(const char* kind, std::source_location where, Begin begin) && {
    return pipeline<U>(detail::stage_label(kind, where),
                       [before = take(), begin = std::move(begin)](detail::pipeline_start& start,
                                                                   const detail::stage_label& label) mutable {
                         opened in = before.open(start);
                         const detail::stage_start stage(start, label, std::move(in.made_by));
                         auto [out, result_end] = make_channel<U>(stage_buffer, label.where);
                         Begin(std::move(begin))(stage, std::move(in.values), std::move(out));
                         return typename pipeline<U>::opened{std::move(result_end), {&stage.node()}};
                       });
  }

  /// The last stage; `Begin(stage_start, receiver<T>)` adds its tasks.
  template <class Begin>
  complete_pipeline finish(const char* kind, std::source_location where, Begin begin) && {
    return complete_pipeline(detail::stage_label(kind, where),
                             [before = take(), begin = std::move(begin)](detail::pipeline_start& start,
                                                                         const detail::stage_label& label) mutable {
                               opened in = before.open(start);
                               const detail::stage_start stage(start, label, std::move(in.made_by));
                               Begin(std::move(begin))(stage, std::move(in.values));
                             });
  }

  pipeline<std::vector<T>> timed_windows(duration length, duration step, std::source_location where) && {
    require(length > duration::zero() && step > duration::zero(), "a window needs a length and a step of time");
    return std::move(*this).template then<std::vector<T>>(
        "window", where,
        [length, step](const detail::stage_start& stage, receiver<T> in, sender<std::vector<T>> out) {
          stage.go(detail::time_window_stage<T>(std::move(in), std::move(out), length, step));
        });
  }

  template <class Ends>
  pipeline end_of_broadcast(const std::shared_ptr<Ends>& ends, std::size_t i) const {
    return pipeline(label_, [ends, i](detail::pipeline_start&, const detail::stage_label&) {
      opened end = std::exchange((*ends)[i], opened());
      if (end.made_by.empty())
        throw std::logic_error("tandem: a line of broadcast() was started by itself; give it back complete instead");
      return end;
    });
  }

  detail::stage_label label_;
  open_function open_;
};

/// The elements of `range`, in order: a container is taken over and emptied, a view's elements are copied.
template <std::ranges::input_range Range>
pipeline<std::ranges::range_value_t<Range>> from(Range range,
                                                 std::source_location where = std::source_location::current()) {
  using T = std::ranges::range_value_t<Range>;
  return pipeline<T>::of_source(detail::stage_label("from", where),
                                [range = std::move(range)](const detail::stage_start& stage, sender<T> out) mutable {
                                  stage.go(detail::read_range<Range, T>(std::move(range), std::move(out)));
                                });
}

/// The values of a channel, until it is closed.
template <class T>
pipeline<T> from(receiver<T> in, std::source_location where = std::source_location::current()) {
  return pipeline<T>(detail::stage_label("from", where),
                     [in = std::move(in)](detail::pipeline_start&, const detail::stage_label&) mutable {
                       return typename pipeline<T>::opened{std::move(in), {}};
                     });
}

/// What `f` gives, until it gives nothing; one call at a time. `f()` gives std::optional<T>, a result of one, or a task
/// of either.
template <class F, class T = typename detail::stage_value_t<F>::value_type>
  requires std::same_as<detail::stage_value_t<F>, std::optional<T>>
pipeline<T> generate(F f, std::source_location where = std::source_location::current()) {
  return pipeline<T>::of_source(detail::stage_label("generate", where),
                                [f = std::move(f)](const detail::stage_start& stage, sender<T> out) mutable {
                                  stage.go(detail::generate_stage<T, F>(std::move(f), std::move(out)));
                                });
}

/// The values of several pipelines as they come: each one's in its order, with none between different ones. Without any
/// it ends at once.
template <class T>
pipeline<T> merge(std::vector<pipeline<T>> lines, std::source_location where = std::source_location::current()) {
  auto open = [lines = std::move(lines)](detail::pipeline_start& start, const detail::stage_label& label) mutable {
    auto [out, result_end] = make_channel<T>(stage_buffer, label.where);
    std::vector<receiver<T>> ins;
    std::vector<detail::stage_node*> made_by;
    for (pipeline<T>& line : lines) {
      auto in = line.open(start);
      if (in.made_by.empty()) {  // a channel: what reads it takes in values, and must end when another line fails
        const detail::stage_start source(start, detail::stage_label("from", label.where), {});
        source.go(detail::forward_stage<T>(std::move(in.values), out));
        made_by.push_back(&source.node());
      } else {
        ins.push_back(std::move(in.values));
        made_by.insert(made_by.end(), in.made_by.begin(), in.made_by.end());
      }
    }
    const detail::stage_start stage(start, label, std::move(made_by));
    for (auto& in : ins) stage.go(detail::forward_stage<T>(std::move(in), out));
    return typename pipeline<T>::opened{std::move(result_end), {&stage.node()}};
  };
  return pipeline<T>(detail::stage_label("merge", where), std::move(open));
}
template <class T, std::same_as<pipeline<T>>... Others>
pipeline<T> merge(pipeline<T> first, Others... others) {
  std::vector<pipeline<T>> lines;
  lines.reserve(1 + sizeof...(others));
  lines.push_back(std::move(first));
  (lines.push_back(std::move(others)), ...);
  return merge(std::move(lines));
}

}  // namespace tandem::csp
