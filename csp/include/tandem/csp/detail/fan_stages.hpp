// Stages with several channels on one side: what tee(), broadcast() and map_ordered() are made of.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/stages.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp::detail {

/// When a stage that writes several channels has nobody to write for any more.
enum class until : std::uint8_t {
  all_closed,
  last_closed,
};

/// Copies each value into all channels, one after the other: so at the pace of the slowest. One that is closed is left
/// out from then on.
template <class T>
task<result<void>> copy_stage(receiver<T> in, std::vector<sender<T>> to, until end) {
  for (;;) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (told_to_end()) co_return as_told();
    for (std::size_t i = 0; i + 1 < to.size();) {
      T copy(std::as_const(*item));
      auto sent = co_await to[i].send(std::move(copy));
      if (sent) {
        ++i;
      } else if (sent.error() == errc::closed) {
        to.erase(to.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        co_return fail(std::move(sent).error());
      }
    }
    if (auto sent = co_await to.back().send(std::move(*item)); !sent) {
      if (sent.error() != errc::closed) co_return fail(std::move(sent).error());
      to.pop_back();
      if (end == until::last_closed || to.empty()) co_return result<void>();
    }
  }
}

/// Gives the values to the channels in turn.
template <class T>
task<result<void>> deal_stage(receiver<T> in, std::vector<sender<T>> lanes) {
  for (std::size_t turn = 0;; turn = turn + 1 < lanes.size() ? turn + 1 : 0) {
    auto item = co_await in.recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (auto sent = co_await lanes[turn].send(std::move(*item)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

/// Takes values from the channels in turn, which restores the order before deal_stage(). The first channel that is
/// closed when its turn comes is where the values ended.
template <class T>
task<result<void>> undeal_stage(std::vector<receiver<T>> lanes, sender<T> out) {
  for (std::size_t turn = 0;; turn = turn + 1 < lanes.size() ? turn + 1 : 0) {
    auto item = co_await lanes[turn].recv();
    if (!item) co_return end_of_stage(std::move(item).error());
    if (told_to_end()) co_return as_told();
    if (auto sent = co_await out.send(std::move(*item)); !sent) co_return end_of_stage(std::move(sent).error());
  }
}

}  // namespace tandem::csp::detail
