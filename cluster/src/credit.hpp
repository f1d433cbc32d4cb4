// The two accounts behind a link's flow control: what we may still send, and what the peer may still send us.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

namespace tandem::cluster::internal {

/// Credit for records we send. Not synchronized.
class send_credit {
 public:
  explicit send_credit(std::uint64_t window = 0) noexcept : window_(window) {}

  /// Takes `bytes` if there is credit. With nothing outstanding, a record larger than the window passes too, because
  /// no amount of waiting would give it more room.
  bool spend(std::uint64_t bytes) noexcept {
    if (outstanding_ != 0 && (bytes > window_ || outstanding_ > window_ - bytes)) return false;
    outstanding_ += bytes;
    return true;
  }

  /// The peer gives back credit, or a record that was paid for is not sent after all. False if more comes back than was
  /// spent: the peer is wrong.
  bool refund(std::uint64_t bytes) noexcept {
    if (bytes > outstanding_) return false;
    outstanding_ -= bytes;
    return true;
  }

 private:
  std::uint64_t window_;
  std::uint64_t outstanding_ = 0;  // (C1) spent and not given back; above window_ only by one record sent from zero
};

/// Credit for records that a peer sends us. Not synchronized.
class receive_credit {
 public:
  explicit receive_credit(std::uint64_t window = 0) noexcept : window_(window) {}

  /// A paid record has come. False if the peer had no credit for it: it knows at least the grants of (C2), so a
  /// correct peer never gets here.
  bool receive(std::uint64_t bytes) noexcept {
    if (held_ != 0 && (bytes > window_ || held_ > window_ - bytes)) return false;
    held_ += bytes;
    return true;
  }

  /// Records of this size were consumed. More than was received counts as all of it.
  void release(std::uint64_t bytes) noexcept { released_ += std::min(bytes, held_ - released_); }

  [[nodiscard]] bool worth_a_frame() const noexcept { return released_ >= window_ / 4; }
  [[nodiscard]] bool anything() const noexcept { return released_ != 0; }

  /// Takes everything released, to be granted in a frame that goes out now.
  std::uint64_t take_grant() noexcept {
    held_ -= released_;
    return std::exchange(released_, 0);
  }

 private:
  std::uint64_t window_;
  std::uint64_t held_ = 0;      // (C2) received and not granted back
  std::uint64_t released_ = 0;  // part of held_ that was consumed; worth_a_frame() holds only until the next frame
};

}  // namespace tandem::cluster::internal
