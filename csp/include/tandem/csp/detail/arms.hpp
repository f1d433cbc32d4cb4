// The arms of select(): receive, send, join, a tick, the end of a context, and a limit of time.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include <tandem/csp/detail/select_core.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/detail/context_watch.hpp>
#include <tandem/runtime/detail/tick_source.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/tick.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::csp::detail {

/// A channel's part of an arm: the node of one that waits, and how the operation ended. The node is written only by a
/// select that has to wait: four arms of one that need not would be some thirty stores.
class arm_node {
 public:
  arm_node() noexcept {}
  arm_node(const arm_node&) = delete;
  arm_node& operator=(const arm_node&) = delete;
  ~arm_node() {}

  /// For arm `arm` of `own`, to be linked.
  select_node& prepare(selection& own, std::uint32_t arm, void* what) noexcept {
    std::construct_at(&node_);
    node_.select = &own;
    node_.arm = arm;
    node_.what = what;
    prepared_ = true;
    return node_;
  }
  /// After prepare().
  [[nodiscard]] select_node& prepared() noexcept { return node_; }

  /// How the operation ended without the node.
  void set(progress p) noexcept {
    ended_ = p;
    prepared_ = false;
  }
  [[nodiscard]] progress ended() const noexcept {
    return prepared_ ? static_cast<progress>(node_.outcome) : ended_;
  }

 private:
  bool prepared_ = false;
  progress ended_ = progress::blocked;
  union {
    select_node node_;
  };
};

template <class T>
class [[nodiscard]] recv_arm final : public select_arm {
 public:
  using outcome = result<T>;
  static constexpr bool repeats = true;

  explicit recv_arm(channel<T>* where) noexcept : channel_(where) {}
  recv_arm(recv_arm&& other) noexcept : channel_(other.channel_) {}
  recv_arm& operator=(const recv_arm&) = delete;
  ~recv_arm() requires(std::is_trivially_destructible_v<T>) = default;
  ~recv_arm() {
    if (node_.ended() == progress::done) [[unlikely]]  // as ~recv_operation()
      std::destroy_at(std::addressof(received_.value));
  }

  [[nodiscard]] bool may_be_ready() const noexcept override { return channel_ && channel_->may_recv(); }

  [[nodiscard]] bool attempt() noexcept override {
    wait_node* to_wake = nullptr;
    channel_->lock();
    const progress now = channel_->recv(std::addressof(received_.value), to_wake);
    channel_->unlock();
    if (to_wake) wake(*to_wake);
    node_.set(now);
    return now != progress::blocked;
  }

  [[nodiscard]] commit enlist(selection& own, std::uint32_t arm, task_record&) override {
    if (!channel_) return commit::waiting;
    select_node& node = node_.prepare(own, arm, std::addressof(received_.value));
    wait_node* to_wake = nullptr;
    channel_->lock();
    const commit now = channel_->recv_arm(own, arm, node, to_wake);
    channel_->unlock();
    if (to_wake) wake(*to_wake);
    return now;
  }

  void delist(bool settled) noexcept override {
    if (!channel_ || settled) return;
    const std::lock_guard hold(*channel_);
    channel_->leave_receivers(node_.prepared());
  }

  /// Once, if this arm won.
  [[nodiscard]] outcome take() {
    if (node_.ended() != progress::done) return fail(error_of(errc::closed));
    node_.set(progress::blocked);
    return received_.take();
  }

  void retain() const noexcept {
    if (channel_) channel_->add_receiver();
  }
  void release() const noexcept {
    if (channel_) channel_->drop_receiver();
  }

 private:
  channel<T>* channel_;
  arm_node node_;
  received_value<T> received_;
};

template <class T>
class send_arm_base : public select_arm {
 public:
  using outcome = result<void>;
  static constexpr bool repeats = false;

  send_arm_base(channel<T>* where, T& value) noexcept : channel_(where), value_(std::addressof(value)) {}
  send_arm_base(const send_arm_base&) = delete;
  send_arm_base& operator=(const send_arm_base&) = delete;

  [[nodiscard]] bool may_be_ready() const noexcept final { return channel_ && channel_->may_send(); }

  [[nodiscard]] bool attempt() noexcept final {
    wait_node* to_wake = nullptr;
    channel_->lock();
    const progress now = channel_->send(*value_, to_wake);
    channel_->unlock();
    if (to_wake) wake(*to_wake);
    node_.set(now);
    return now != progress::blocked;
  }

  [[nodiscard]] commit enlist(selection& own, std::uint32_t arm, task_record&) final {
    if (!channel_) return commit::waiting;
    select_node& node = node_.prepare(own, arm, value_);
    wait_node* to_wake = nullptr;
    channel_->lock();
    const commit now = channel_->send_arm(own, arm, node, to_wake);
    channel_->unlock();
    if (to_wake) wake(*to_wake);
    return now;
  }

  void delist(bool settled) noexcept final {
    if (!channel_ || settled) return;
    const std::lock_guard hold(*channel_);
    channel_->leave_senders(node_.prepared());
  }

  [[nodiscard]] outcome take() {
    if (node_.ended() == progress::done) return {};
    return fail(error_of(errc::closed));
  }

  void retain() const noexcept {
    if (channel_) channel_->add_sender();
  }
  void release() const noexcept {
    if (channel_) channel_->drop_sender();
  }

 protected:
  ~send_arm_base() = default;
  [[nodiscard]] channel<T>* where() const noexcept { return channel_; }
  [[nodiscard]] T& value() const noexcept { return *value_; }

 private:
  channel<T>* channel_;
  T* value_;
  arm_node node_;
};

/// Sends a value of its own.
template <class T>
class [[nodiscard]] send_own_arm final : private held_copy<T>, public send_arm_base<T> {
 public:
  send_own_arm(channel<T>* where, const T& value) : held_copy<T>(value), send_arm_base<T>(where, this->copy) {}
  send_own_arm(channel<T>* where, T&& value) noexcept
      : held_copy<T>(std::move(value)), send_arm_base<T>(where, this->copy) {}
  send_own_arm(send_own_arm&& other) noexcept : send_own_arm(other.where(), std::move(other.copy)) {}
};

/// Sends from an object of the caller's, which is moved from only if this arm won and the channel was open.
template <class T>
class [[nodiscard]] send_arm final : public send_arm_base<T> {
 public:
  using send_arm_base<T>::send_arm_base;
  /// The same with the value in the arm, for one that outlives the expression it is made in.
  [[nodiscard]] send_own_arm<T> to_store() const noexcept { return {this->where(), std::move(this->value())}; }
};

/// The part of a join arm that does not depend on the type of the result.
class join_arm_base : public select_arm, private tandem::detail::completion_waiter {
 public:
  join_arm_base(const join_arm_base&) = delete;
  join_arm_base& operator=(const join_arm_base&) = delete;

  [[nodiscard]] bool may_be_ready() const noexcept final { return what_ && what_->is_ready(); }
  [[nodiscard]] bool attempt() noexcept final { return true; }  // what is ready stays ready until it is taken
  [[nodiscard]] commit enlist(selection& own, std::uint32_t arm, task_record& task) final;
  void delist(bool settled) noexcept final;

 protected:
  explicit join_arm_base(tandem::detail::completion_base* what) noexcept;
  ~join_arm_base() = default;

 private:
  tandem::detail::completion_base* what_;  // null: never ready
  selection* select_ = nullptr;
  std::uint32_t arm_ = 0;
};

template <class T>
class [[nodiscard]] join_arm final : public join_arm_base {
 public:
  using outcome = result<T>;
  static constexpr bool repeats = false;

  explicit join_arm(tandem::detail::completion_ptr<T>& handle) noexcept
      : join_arm_base(handle.get()), handle_(handle) {}
  join_arm(join_arm&& other) noexcept : join_arm(other.handle_) {}

  /// Once, if this arm won; leaves the handle empty.
  [[nodiscard]] outcome take() {
    const tandem::detail::completion_ptr<T> ended = std::exchange(handle_, tandem::detail::completion_ptr<T>());
    return ended.take();
  }

 private:
  tandem::detail::completion_ptr<T>& handle_;
};

/// What a won timeout arm yields.
struct timed_out {};

class [[nodiscard]] timeout_arm final : public select_arm {
 public:
  using outcome = timed_out;
  static constexpr bool repeats = false;

  explicit timeout_arm(time_point when) noexcept : when_(when), timer_(*this) {}
  timeout_arm(timeout_arm&& other) noexcept : timeout_arm(other.when_) {}
  timeout_arm& operator=(const timeout_arm&) = delete;

  [[nodiscard]] bool may_be_ready() const noexcept override { return false; }  // ready arms come first
  [[nodiscard]] bool attempt() noexcept override { return false; }
  [[nodiscard]] commit enlist(selection& own, std::uint32_t arm, task_record& task) override;
  void delist(bool settled) noexcept override;
  [[nodiscard]] outcome take() const noexcept { return {}; }

 private:
  struct select_timer : tandem::detail::timer_node {
    explicit select_timer(timeout_arm& a) noexcept;
    timeout_arm* arm;
  };

  time_point when_;
  selection* select_ = nullptr;
  std::uint32_t arm_ = 0;
  select_timer timer_;
};

/// Receives from a timer or a ticker.
class [[nodiscard]] tick_arm final : public select_arm {
 public:
  using outcome = result<tick>;
  static constexpr bool repeats = true;

  explicit tick_arm(tandem::detail::tick_source& source) noexcept : source_(source) {}
  tick_arm(tick_arm&& other) noexcept : tick_arm(other.source_) {}
  tick_arm& operator=(const tick_arm&) = delete;

  [[nodiscard]] bool may_be_ready() const noexcept override { return source_.may_be_due(); }
  [[nodiscard]] bool attempt() noexcept override;
  [[nodiscard]] commit enlist(selection& own, std::uint32_t arm, task_record& task) override;
  void delist(bool settled) noexcept override;
  [[nodiscard]] outcome take();

 private:
  tandem::detail::tick_source& source_;
  tick tick_;
  bool busy_ = false;
};

/// Waits for the end of a context.
class [[nodiscard]] done_arm final : public select_arm, private tandem::detail::context_watch {
 public:
  using outcome = error;
  static constexpr bool repeats = false;

  explicit done_arm(context what) noexcept;
  done_arm(done_arm&& other) noexcept : done_arm(std::move(other.context_)) {}
  done_arm& operator=(const done_arm&) = delete;

  [[nodiscard]] bool may_be_ready() const noexcept override { return context_.is_over(); }
  [[nodiscard]] bool attempt() noexcept override { return true; }  // what is over stays over
  [[nodiscard]] commit enlist(selection& own, std::uint32_t arm, task_record& task) override;
  void delist(bool settled) noexcept override;
  [[nodiscard]] outcome take() const { return context_.why(); }

 private:
  context context_;
  selection* select_ = nullptr;
  std::uint32_t arm_ = 0;
};

/// What a won otherwise arm yields.
struct none_ready {};

/// Not waited for: select() takes it if no other arm is ready.
class [[nodiscard]] otherwise_arm final : public select_arm {
 public:
  using outcome = none_ready;
  static constexpr bool repeats = true;

  otherwise_arm() noexcept {}
  otherwise_arm(otherwise_arm&&) noexcept {}
  otherwise_arm& operator=(const otherwise_arm&) = delete;

  [[nodiscard]] bool may_be_ready() const noexcept override { return false; }
  [[nodiscard]] bool attempt() noexcept override { return false; }
  [[nodiscard]] commit enlist(selection&, std::uint32_t, task_record&) override { return commit::waiting; }
  void delist(bool) noexcept override {}
  [[nodiscard]] outcome take() const noexcept { return {}; }
};

}  // namespace tandem::csp::detail
