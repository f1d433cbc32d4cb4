// Channel operations that do not suspend: those that never wait, and those that block a plain thread.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include <tandem/csp/detail/channel.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/worker.hpp>

namespace tandem::csp::detail {

inline void require_plain_thread(const void* channel) {
  if (tandem::detail::tls_worker) throw std::logic_error("tandem: a blocking channel operation on a worker's thread");
  if (!channel) throw std::logic_error("tandem: a blocking channel operation on a default-constructed handle");
}

/// Waits as a node without a task. `attempt` and `link` run under the lock.
template <class Attempt, class Link>
progress block_on_channel(channel_base& channel, void* place, Attempt attempt, Link link) {
  thread_waiter waiter;
  wait_node* to_wake = nullptr;
  channel.lock();
  const progress now = attempt(to_wake);
  if (now == progress::blocked) {
    waiter.what = place;
    link(waiter);
  }
  channel.unlock();
  if (to_wake) wake(*to_wake);
  if (now != progress::blocked) return now;
  waiter.wait();
  return static_cast<progress>(waiter.outcome);
}

template <class T>
result<void> blocking_send(channel<T>* c, T& value) {
  require_plain_thread(c);
  const progress ended = block_on_channel(
      *c, std::addressof(value), [&](wait_node*& to_wake) { return c->send(value, to_wake); },
      [&](wait_node& node) { c->wait_as_sender(node); });
  if (ended != progress::done) return fail(error_of(errc::closed));
  return {};
}

inline result<void> close(channel_base* c) noexcept {
  if (!c) return fail(error_of(errc::failed_precondition));
  if (!c->close()) return fail(error_of(errc::closed));
  return {};
}

template <class T>
result<T> try_recv(channel<T>& c) {
  received_value<T> received;
  wait_node* to_wake = nullptr;
  c.lock();
  const progress now = c.recv(std::addressof(received.value), to_wake);
  // Told apart before unlock(): g++ 12 loses track over it, and warns of a value that might not be there.
  if (now == progress::done) {
    c.unlock();
    if (to_wake) wake(*to_wake);
    return received.take();
  }
  c.unlock();
  return fail(error_of(now == progress::closed ? errc::closed : errc::would_block));
}

/// Moves up to `most` values that are there to the end of `into`, which has room. Not all in one section: it must be
/// short.
template <class T>
std::size_t recv_ready(channel<T>& c, std::vector<T>& into, std::size_t most) noexcept {
  constexpr std::size_t at_once = 64;
  for (std::size_t taken = 0;;) {
    const std::size_t wanted = std::min(most - taken, at_once);
    wake_chain woken;
    c.lock();
    const std::size_t n = c.recv_ready(into, wanted, woken);
    c.unlock();
    woken.wake();
    taken += n;
    if (n < wanted || taken == most) return taken;
  }
}

template <class T>
result<T> blocking_recv(channel<T>* c) {
  require_plain_thread(c);
  received_value<T> received;
  const progress ended = block_on_channel(
      *c, std::addressof(received.value),
      [&](wait_node*& to_wake) { return c->recv(std::addressof(received.value), to_wake); },
      [&](wait_node& node) { c->wait_as_receiver(node); });
  if (ended != progress::done) return fail(error_of(errc::closed));
  return received.take();
}

}  // namespace tandem::csp::detail
