// A share of the sending side of a channel, and what senders of every kind that never wait have in common.
#pragma once
#include <cstddef>
#include <stdexcept>
#include <utility>

#include <tandem/csp/detail/channel.hpp>
#include <tandem/csp/detail/immediate.hpp>

namespace tandem::csp::detail {

template <class T>
class sending_end {
 public:
  using value_type = T;

  /// As sender::close(): buffered values are received first.
  result<void> close() const noexcept { return detail::close(channel_); }

  [[nodiscard]] bool is_closed() const noexcept { return channel_ && channel_->is_closed(); }
  /// The number of buffered values, at some moment during the call.
  [[nodiscard]] std::size_t size() const noexcept { return channel_ ? channel_->size() : 0; }

  /// True unless default-constructed or moved from.
  [[nodiscard]] explicit operator bool() const noexcept { return channel_ != nullptr; }
  /// True if both send into the same channel.
  friend bool operator==(const sending_end&, const sending_end&) = default;

 protected:
  sending_end() = default;
  explicit sending_end(channel<T>* adopted) noexcept : channel_(adopted) {}
  sending_end(const sending_end& other) noexcept : channel_(other.channel_) {
    if (channel_) channel_->add_sender();
  }
  sending_end(sending_end&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  sending_end& operator=(const sending_end& other) noexcept { return *this = sending_end(other); }
  sending_end& operator=(sending_end&& other) noexcept {
    sending_end moved(std::move(other));
    std::swap(channel_, moved.channel_);
    return *this;
  }
  ~sending_end() {
    if (channel_) channel_->drop_sender();
  }

  /// For a send, which needs one.   Errors: throws std::logic_error.
  [[nodiscard]] channel<T>& target() const {
    if (!channel_) throw_empty();
    return *channel_;
  }

 private:
  [[noreturn]] static void throw_empty() {
    throw std::logic_error("tandem: a send that cannot wait, by a handle of no channel; make one first");
  }

  channel<T>* channel_ = nullptr;
};

}  // namespace tandem::csp::detail
