// Small tasks the tests of csp are made of.
#pragma once
#include <memory>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp {

template <class T>
task<result<void>> send_one(sender<T> tx, T value) {
  co_return co_await tx.send(std::move(value));
}

template <class T>
task<result<T>> recv_one(receiver<T> rx) {
  co_return co_await rx.recv();
}

// Copies of handles made for a task would keep a channel open: these borrow.
template <class T>
task<result<void>> send_by(const sender<T>& tx, T value) {
  co_return co_await tx.send(std::move(value));
}

template <class T>
task<result<T>> recv_by(const receiver<T>& rx) {
  co_return co_await rx.recv();
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int stress_divisor = 10;
#else
inline constexpr int stress_divisor = 1;
#endif

}  // namespace tandem::csp
