// Stages that look at more than one value, or at the time: batches, windows, duplicates, pace.
#pragma once
#include <concepts>
#include <cstddef>
#include <deque>
#include <memory>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/stages.hpp>
#include <tandem/csp/rate.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::csp::detail {

template <class T>
task<result<void>> batch_stage(receiver<T> in, sender<std::vector<T>> out, std::size_t most, duration every) {
  for (;;) {
    auto first = co_await in.recv();
    if (!first) co_return end_of_stage(std::move(first).error());
    std::vector<T> batch;
    batch.push_back(std::move(*first));
    const time_point until = every == duration::max() ? no_deadline : deadline_in(every);
    error ended;
    while (batch.size() < most && !ended) {
      if (until == no_deadline) {
        auto item = co_await in.recv();
        if (item)
          batch.push_back(std::move(*item));
        else
          ended = std::move(item).error();
      } else {
        auto chosen = co_await select(on_recv(in), on_deadline(until));
        if (!chosen) co_return fail(std::move(chosen).error());
        if (chosen->index() != 0) break;
        if (auto& item = std::get<0>(*chosen))
          batch.push_back(std::move(*item));
        else
          ended = std::move(item).error();
      }
    }
    if (ended && ended != errc::closed) co_return fail(std::move(ended));
    if (told_to_end()) co_return as_told();
    if (auto sent = co_await out.send(std::move(batch)); !sent) co_return end_of_stage(std::move(sent).error());
    if (ended) co_return result<void>();
  }
}

template <class T>
task<result<void>> count_window_stage(receiver<T> in, sender<std::vector<T>> out, std::size_t size, std::size_t step) {
  std::deque<T> held;
  std::size_t to_skip = 0;  // values between two windows
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (to_skip != 0) {
      --to_skip;
      continue;
    }
    held.push_back(std::move(*item));
    if (held.size() < size) continue;
    if (told_to_end()) co_return as_told();
    std::vector<T> window(held.begin(), held.end());
    if (auto sent = co_await out.send(std::move(window)); !sent) co_return end_of_stage(std::move(sent).error());
    if (step < size) {
      held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(step));
    } else {
      held.clear();
      to_skip = step - size;
    }
  }
}

/// The values of the last `length`, each `step`.
template <class T>
class time_window {
 public:
  time_window(duration length, duration step, time_point start)
      : length_(length), step_(step), end_(deadline_after(start, step)) {}

  [[nodiscard]] time_point end() const noexcept { return end_; }
  /// True if a value came since the last take().
  [[nodiscard]] bool has_news() const noexcept { return news_; }
  void add(T value, time_point came) {
    held_.emplace_back(std::move(value), came);
    news_ = true;
  }
  /// The window that ends at end(); then goes on to the first one that ends after `now`.
  std::vector<T> take(time_point now) {
    const time_point from = deadline_after(end_, -length_);
    while (!held_.empty() && held_.front().second < from) held_.pop_front();
    std::vector<T> window;
    window.reserve(held_.size());
    for (auto& [value, came] : held_) {
      if constexpr (std::copy_constructible<T>) {
        if (step_ < length_) {
          window.push_back(std::as_const(value));
          continue;
        }
      }
      window.push_back(std::move(value));
    }
    if (step_ >= length_) held_.clear();
    news_ = false;
    const auto passed = now > end_ ? (now - end_) / step_ : 0;
    end_ = deadline_after(end_, (passed + 1) * step_);
    return window;
  }

 private:
  const duration length_;
  const duration step_;
  time_point end_;
  std::deque<std::pair<T, time_point>> held_;
  bool news_ = false;
};

template <class T>
task<result<void>> time_window_stage(receiver<T> in, sender<std::vector<T>> out, duration length, duration step) {
  time_window<T> window(length, step, now());
  error ended;
  while (!ended) {
    auto chosen = co_await select(on_recv(in), on_deadline(window.end()));
    if (!chosen) co_return fail(std::move(chosen).error());
    if (told_to_end()) co_return as_told();
    const time_point came = now();
    if (chosen->index() == 0) {
      if (auto& item = std::get<0>(*chosen); !item) ended = std::move(item).error();
    }
    // A value that came after the window's end is not in it, even if it was received before that was noticed.
    if (came >= window.end() || (ended && window.has_news())) {
      std::vector<T> whole = window.take(came);
      if (auto sent = co_await out.send(std::move(whole)); !sent) co_return end_of_stage(std::move(sent).error());
    }
    if (chosen->index() == 0 && !ended) window.add(*std::move(std::get<0>(*chosen)), came);
  }
  co_return result<void>();
}

template <class T, class Key>
task<result<void>> distinct_stage(receiver<T> in, sender<T> out, std::size_t remember, Key key) {
  using key_type = std::remove_cvref_t<std::invoke_result_t<Key&, const T&>>;
  std::unordered_set<key_type> seen;
  std::deque<const key_type*> oldest_first;  // into `seen`, whose elements stay where they are
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (told_to_end()) co_return as_told();
    const auto [at, is_new] = seen.insert(key(std::as_const(*item)));
    if (!is_new) continue;
    if (seen.find(*at) == seen.end()) {  // not equal to itself, as a NaN: nobody could find it again, to forget it
      seen.erase(at);
    } else {
      oldest_first.push_back(std::addressof(*at));
    }
    if (oldest_first.size() > remember) {
      seen.erase(seen.find(*oldest_first.front()));
      oldest_first.pop_front();
    }
    if (auto sent = co_await out.send(std::move(*item)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

template <class T>
task<result<void>> throttle_stage(receiver<T> in, sender<T> out, std::shared_ptr<token_bucket> bucket) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (auto allowed = co_await bucket->acquire(); !allowed) co_return fail(std::move(allowed).error());
    if (auto sent = co_await out.send(std::move(*item)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

}  // namespace tandem::csp::detail
