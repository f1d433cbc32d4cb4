// What an actor sends to itself: messages that are made only when their turn comes, if they are still wanted then.
#pragma once
#include <atomic>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/envelope.hpp>
#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors::detail {

class cell;
class own_timer;

/// form::own, in the control lane.
class own_message : public envelope {
 public:
  /// In the turn of `whose`: the message to handle, or null if none is to come any more.
  /// Errors: throws what users' code throws.
  [[nodiscard]] virtual envelope_ptr open(target& whose) = 0;
  /// Instead: the actor has ended.
  virtual void drop(target&) noexcept {}

 protected:
  own_message() noexcept : envelope(form::own, nullptr, false, no_deadline) { set_lane(detail::lane::control); }
};

/// One life of an actor's object, as those know it that may outlive it.
///
/// (L1) Everything is guarded by lock. The end of the life takes it to clear `whose`, before the actor ends: so while
///      that is set, under the lock, the cell is there.
class own_life : public tandem::detail::pooled {
 public:
  explicit own_life(cell& c) noexcept : whose(&c) {}
  own_life(const own_life&) = delete;
  own_life& operator=(const own_life&) = delete;

  void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }  // the caller has a share
  void release() noexcept {
    // Release orders this side's accesses before the delete; acquire lets the last one see them all.
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  [[nodiscard]] bool goes_on() noexcept;
  void end() noexcept;

  tandem::detail::spin_lock lock;
  cell* whose;
  own_timer* timers = nullptr;  // those that are to come, each with a share for this list

 private:
  ~own_life() = default;
  std::atomic<std::uint32_t> shares_{1};
};
/// A share.
struct life_release {
  void operator()(own_life* l) const noexcept { l->release(); }
};
using life_ptr = std::unique_ptr<own_life, life_release>;

/// A message that comes later. Shared by the list it is in, its handles, the heap of timers while it is armed there,
/// and its entry in the mailbox.
///
/// (S1) Guarded by its life's lock: all but what S2 names. Lock order: that lock, then a timer heap's.
/// (S2) fired_ is set by fire under the heap's lock, and read under the life's after the node has been disarmed, which
///      orders the two; job_ clears it on the thread that fired.
/// (S3) While it is to come it is armed, or fired with job_ on its way, or its entry is in the mailbox.
class own_timer : public tandem::detail::pooled {
 public:
  own_timer(const own_timer&) = delete;
  own_timer& operator=(const own_timer&) = delete;

  void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }  // the caller has a share
  void release() noexcept {
    // As for own_life.
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// Once, in the actor's turn or its constructor.   Errors: throws std::bad_alloc; nothing is to come then.
  void start(own_life& life, time_point when);
  /// See self_timer::cancel().
  bool cancel() noexcept;
  /// For its entry in the mailbox.
  [[nodiscard]] envelope_ptr open();

 protected:
  /// `keeps`: the actor does not end by itself while it is to come.
  explicit own_timer(bool keeps) noexcept;
  virtual ~own_timer();

  /// In the turn: what to handle, if anything. `again`: when it comes next; no_deadline: it was the last time.
  [[nodiscard]] virtual envelope_ptr due(time_point now, time_point& again) = 0;

 private:
  friend own_life;
  struct due_node : tandem::detail::timer_node {
    explicit due_node(own_timer& t) noexcept;
    own_timer* timer;
  };
  struct due_job : tandem::detail::job {
    explicit due_job(own_timer& t) noexcept;
    own_timer* timer;
  };
  class entry;

  void arm(time_point when);
  void has_come() noexcept;

  own_life* life_ = nullptr;  // a share
  const bool keeps_;
  bool to_come_ = false;
  bool armed_ = false;  // and the heap, or job_, has a share
  bool fired_ = false;  // S2
  own_timer* previous_ = nullptr;
  own_timer* next_ = nullptr;
  envelope_ptr entry_;  // the next, made when it is armed: nothing can fail later
  due_node node_;
  due_job job_;
  std::atomic<std::uint32_t> shares_{1};
};

/// Of a handler for void(M). No period: once.
template <class M>
class message_timer final : public own_timer {
 public:
  template <class T>
  message_timer(T&& message, time_point first, duration period)
      : own_timer(true), message_(std::forward<T>(message)), next_(first), period_(period) {}

 private:
  [[nodiscard]] envelope_ptr due(time_point now, time_point& again) override {
    if constexpr (std::copy_constructible<M>) {
      if (period_ != duration::zero()) {
        const auto missed = now > next_ ? (now - next_) / period_ : 0;
        again = next_ = deadline_after(next_, period_ * (missed + 1));  // on the grid, however late we are
        return envelope_ptr(new told<M>(message_));
      }
    }
    again = no_deadline;
    return envelope_ptr(new told<M>(std::move(message_)));
  }

  M message_;
  time_point next_;
  const duration period_;
};

/// What came of a task, on its way to its actor.
template <class R, class M, class F>
class piped_result final : public own_message {
 public:
  piped_result(own_life& life, F f) : make_(std::move(f)), life_(&life) { life.retain(); }
  void set(result<R> outcome) noexcept { outcome_.emplace(std::move(outcome)); }

  [[nodiscard]] std::string type_name() const override {
    return "what came of a task, for " + type_of_message<M>().name;
  }
  [[nodiscard]] envelope_ptr open(target& whose) override {
    if (life_->goes_on()) return envelope_ptr(new told<M>(make_(std::move(*outcome_))));
    drop(whose);  // another life has begun, of an object that did not start the task
    return nullptr;
  }
  void drop(target& whose) noexcept override {
    if (*outcome_ || outcome_->error().is(errc::cancelled) || outcome_->error().is(errc::deadline_exceeded)) return;
    whose.report_dead_letter(*this, outcome_->error());
  }

 private:
  F make_;
  std::optional<result<R>> outcome_;
  const life_ptr life_;
};

/// A task that runs for an actor, which waits for it before it ends.
class errand {
 public:
  /// The caller has counted it: see cell::begin_errand().
  errand(cell& whose, own_life& life) noexcept : whose_(&whose), life_(&life) { life.retain(); }
  errand(errand&& other) noexcept : whose_(std::exchange(other.whose_, nullptr)), life_(std::move(other.life_)) {}
  errand& operator=(errand&&) = delete;
  ~errand();
  /// Puts it into the mailbox, unless the life it is for is over.
  void deliver(std::unique_ptr<own_message> message) noexcept;

 private:
  cell* whose_;
  life_ptr life_;
};

template <class T, class Message>
task<void> run_errand(errand mine, task<T> body, std::unique_ptr<Message> message) {
  using R = tandem::detail::plain_value_t<T>;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(body).unlisted();
      message->set(result<R>());
    } else {
      message->set(result<R>(co_await std::move(body).unlisted()));
    }
  } catch (...) {
    message->set(fail(from_exception(std::current_exception())));
  }
  mine.deliver(std::move(message));
}

}  // namespace tandem::actors::detail
