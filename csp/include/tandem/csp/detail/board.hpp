// What broadcast and watch are made of: a board on which senders post, and readers that wait for the next post.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <utility>

#include <tandem/csp/detail/channel_base.hpp>
#include <tandem/csp/detail/immediate.hpp>
#include <tandem/csp/detail/operations.hpp>
#include <tandem/csp/detail/select_core.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/pool.hpp>

namespace tandem::csp::detail {

/// The part that does not depend on the type of the values. Shared by handles; (C3) to (C6) of channel_base hold, and
/// instead of the others:
///
/// (N1) Posts are counted. A reader remembers how many it has seen; one that has seen all is linked while it waits, and
///      every post, and close, ends all those waits. A wait that ended brings nothing with it: the reader looks itself.
///      So whoever stops waiting, by a cancel or because another arm won, has lost nothing.
class board : public channel_base, public tandem::detail::pooled {
 public:
  /// Is there something a reader has not seen? Under the lock.
  [[nodiscard]] progress look(std::uint64_t seen) const noexcept {
    if (posted() != seen) return progress::done;
    return is_closed() ? progress::closed : progress::blocked;
  }
  /// Without the lock, as a hint: false only if it would certainly wait.
  [[nodiscard]] bool may_look(std::uint64_t seen) const noexcept { return posted() != seen || is_closed(); }

  /// Relaxed: whoever was told of a post finds it counted; for others it is a hint.
  [[nodiscard]] std::uint64_t posted() const noexcept { return posted_.load(std::memory_order_relaxed); }

  // Handles. Relaxed increments and acquire-release decrements: see channel.
  void add_reader() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }
  void add_sender() noexcept {
    senders_left_.fetch_add(1, std::memory_order_relaxed);
    add_reader();
  }
  void drop_reader() noexcept {
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void drop_sender() noexcept {
    if (senders_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) close();
    drop_reader();
  }

 protected:
  /// With a sender's share and a reader's.
  board(const char* kind, std::source_location made_at) noexcept;
  virtual ~board();

  /// Under the lock: counts a post, whose readers are to be woken after unlock().
  void post(wake_chain& woken) noexcept {
    posted_.store(posted() + 1, std::memory_order_relaxed);  // others than readers under the lock take it as a hint
    complete_all(receivers_, progress::done, woken);
  }

 private:
  std::atomic<std::uint64_t> posted_{0};  // written under lock_
  std::atomic<std::uint32_t> senders_left_{1};
  std::atomic<std::uint32_t> shares_{2};
};

/// A value that several may keep. The shell is allocated before the board's lock is taken, the value is moved in under
/// it: so that a send that fails leaves the value where it was.
template <class T>
using shell = std::optional<T>;

/// A share of the sending side of a board. `Board` is one.
template <class Board>
class posting_end {
 public:
  /// Closes the channel: later sends fail with errc::closed, and receivers get it once they have seen what was sent
  /// before.   Errors: as sender::close().
  result<void> close() const noexcept { return detail::close(board_); }
  [[nodiscard]] bool is_closed() const noexcept { return board_ && board_->is_closed(); }

  /// True unless default-constructed or moved from.
  [[nodiscard]] explicit operator bool() const noexcept { return board_ != nullptr; }
  /// True if both send into the same channel.
  friend bool operator==(const posting_end&, const posting_end&) = default;

 protected:
  posting_end() = default;
  explicit posting_end(Board* adopted) noexcept : board_(adopted) {}
  posting_end(const posting_end& other) noexcept : board_(other.board_) {
    if (board_) board_->add_sender();
  }
  posting_end(posting_end&& other) noexcept : board_(std::exchange(other.board_, nullptr)) {}
  posting_end& operator=(const posting_end& other) noexcept { return *this = posting_end(other); }
  posting_end& operator=(posting_end&& other) noexcept {
    posting_end moved(std::move(other));
    std::swap(board_, moved.board_);
    return *this;
  }
  ~posting_end() {
    if (board_) board_->drop_sender();
  }

  /// Errors: throws std::logic_error if there is none.
  [[nodiscard]] Board& target() const {
    if (!board_) throw std::logic_error("tandem: a handle of no channel was used to send or subscribe; make one first");
    return *board_;
  }

 private:
  Board* board_ = nullptr;
};

/// A reader's share of a board, and what it has seen there.
template <class Board>
class reading_end {
 public:
  [[nodiscard]] bool is_closed() const noexcept { return board_ && board_->is_closed(); }
  /// True unless default-constructed or moved from.
  [[nodiscard]] explicit operator bool() const noexcept { return board_ != nullptr; }

  /// Not for users.
  [[nodiscard]] Board* board() const noexcept { return board_; }
  [[nodiscard]] std::uint64_t seen() const noexcept { return seen_; }

 protected:
  reading_end() = default;
  reading_end(Board* adopted, std::uint64_t seen) noexcept : board_(adopted), seen_(seen) {}
  reading_end(reading_end&& other) noexcept : board_(std::exchange(other.board_, nullptr)), seen_(other.seen_) {}
  reading_end& operator=(reading_end&& other) noexcept {
    reading_end moved(std::move(other));
    std::swap(board_, moved.board_);
    std::swap(seen_, moved.seen_);
    return *this;
  }
  ~reading_end() {
    if (board_) board_->drop_reader();
  }

  Board* board_ = nullptr;
  std::uint64_t seen_ = 0;  // written by whoever reads by this handle, one at a time
};

/// Waits until there is something `reader` has not seen, and gives what reader.take() does.
template <class Reader>
class [[nodiscard]] read_operation : public operation<read_operation<Reader>>, public operands {
 public:
  explicit read_operation(Reader& reader) noexcept : operands{reader.board()}, reader_(reader) {}

  auto await_resume() -> decltype(std::declval<Reader&>().take()) {
    const progress ended = this->finish();
    if (ended != progress::done) return fail(error_for(ended));
    return reader_.take();
  }

 private:
  friend operation<read_operation>;
  static constexpr bool is_send = false;
  progress attempt(wait_node*&) noexcept {
    return where ? static_cast<board*>(where)->look(reader_.seen()) : progress::blocked;
  }

  Reader& reader_;
};

/// The same as an arm of select().
template <class Reader>
class [[nodiscard]] read_arm final : public select_arm {
 public:
  using outcome = decltype(std::declval<Reader&>().take());
  static constexpr bool repeats = true;

  explicit read_arm(Reader& reader) noexcept : reader_(reader) {}
  read_arm(read_arm&& other) noexcept : read_arm(other.reader_) {}
  read_arm& operator=(const read_arm&) = delete;

  [[nodiscard]] bool may_be_ready() const noexcept override {
    return reader_.board() && reader_.board()->may_look(reader_.seen());
  }

  [[nodiscard]] bool attempt() noexcept override {
    const std::lock_guard hold(*reader_.board());
    return note(reader_.board()->look(reader_.seen()));
  }

  [[nodiscard]] commit enlist(selection& own, std::uint32_t arm, task_record&) override {
    if (!reader_.board()) return commit::waiting;
    const std::lock_guard hold(*reader_.board());
    if (note(reader_.board()->look(reader_.seen()))) return own.decide(arm) ? commit::won : commit::lost;
    node_.select = &own;
    node_.arm = arm;
    reader_.board()->wait_as_receiver(node_);
    return commit::waiting;
  }

  void delist(bool settled) noexcept override {
    if (!reader_.board() || settled) return;
    const std::lock_guard hold(*reader_.board());
    reader_.board()->leave_receivers(node_);
  }

  /// Once, if this arm won.
  [[nodiscard]] outcome take() {
    if (static_cast<progress>(node_.outcome) != progress::done) return fail(error_of(errc::closed));
    return reader_.take();
  }

 private:
  bool note(progress p) noexcept {
    node_.outcome = static_cast<std::uint8_t>(p);
    return p != progress::blocked;
  }

  Reader& reader_;
  select_node node_;
};

/// What a read gives that need not wait.   Errors: errc::would_block, errc::closed.
template <class Reader>
auto try_read(Reader& reader) -> decltype(reader.take()) {
  board* const b = reader.board();
  if (!b) return fail(error_of(errc::would_block));
  b->lock();
  const progress now = b->look(reader.seen());
  b->unlock();
  if (now == progress::done) return reader.take();
  return fail(error_of(now == progress::closed ? errc::closed : errc::would_block));
}

/// A read by a thread that is no worker.
template <class Reader>
auto blocking_read(Reader& reader) -> decltype(reader.take()) {
  board* const b = reader.board();
  require_plain_thread(b);
  const progress ended = block_on_channel(
      *b, nullptr, [&](wait_node*&) { return b->look(reader.seen()); },
      [&](wait_node& node) { b->wait_as_receiver(node); });
  if (ended != progress::done) return fail(error_of(errc::closed));
  return reader.take();
}

}  // namespace tandem::csp::detail
