// Reads, writes and syncs of files by io_uring: one ring per runtime, and a thread that takes what it has completed.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <liburing.h>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/time.hpp>

#include "intrusive_list.hpp"

namespace tandem::detail {

class scheduler;
class task_record;

/// What is asked of the kernel, for one task.
struct ring_request {
  enum class call : std::uint8_t { read, write, sync_data, sync_all };

  call what = call::read;
  bool takes_long = false;  // do not even try on the calling thread
  int descriptor = -1;
  std::uint64_t offset = 0;
  void* memory = nullptr;
  std::uint32_t length = 0;

  // Written before the submission, and by whoever ends it: what the kernel said, as in a completion of io_uring.
  task_record* task = nullptr;
  long result = 0;

  // Guarded by the ring's lock.
  enum class place : std::uint8_t { outside, refused, queued, submitted, to_cancel, ended };
  place where = place::outside;
  bool cancelled = false;      // its cancellation was asked for
  std::uint8_t awaited = 0;    // completions that are to come: its own, and that of its cancellation
  ring_request* previous = nullptr;
  ring_request* next = nullptr;
};

/// Threads: every member may be called from any thread.
///
/// (U1) From submit() to its end a request, and the memory it names, must stay. It ends when the kernel refers to it no
///      more, and with its cancellation, if that was asked for, out of the kernel too: so the kernel never takes
///      another request at the same address for the cancelled one.
/// (U2) The submission queue belongs to who set `submitting_`. Others only add to the lists. Who resets that, under the
///      lock, rings the bell if he leaves anything that can be sent: the reaper may have looked in vain meanwhile.
///      The completion queue belongs to the reaper's thread.
/// (U3) Of a completion queue's entries one half is for requests and one for their cancellations, so it never
///      overflows. What has no room waits in `queued_`, which needs no memory, and is sent when something has
///      completed.
class io_ring {
 public:
  /// Null if the kernel has no io_uring that does what is needed, or does not let this process use it.
  [[nodiscard]] static std::unique_ptr<io_ring> make(scheduler& s);
  /// Nothing is in flight.
  ~io_ring();
  io_ring(const io_ring&) = delete;
  io_ring& operator=(const io_ring&) = delete;

  /// Wakes request.task when it has ended. False: it was cancelled before, and has ended by that. The kernel may do
  /// short requests on the calling thread: this one, and the few that wait before it.
  [[nodiscard]] bool submit(ring_request& request) noexcept;

  /// Ends `request` early if it can: at once while it has not reached the kernel, else when the kernel has let go of
  /// it.
  void cancel(ring_request& request) noexcept;

  /// No request is under way, nor a task being woken that had one.
  [[nodiscard]] bool quiet() const;

  /// Cancels what is under way and waits until all of it has ended; the thread has left then. False if it has not at
  /// `deadline`: the kernel may still write to the memory of requests. Nothing may be submitted meanwhile, or after.
  bool stop(time_point deadline);

  /// Of requests that are with the kernel at a time.
  static constexpr unsigned most_at_once = 256;

 private:
  explicit io_ring(scheduler& s) noexcept : scheduler_(s) {}
  [[nodiscard]] bool open() noexcept;

  using guard = std::unique_lock<std::mutex>;
  void flush(guard& hold) noexcept;
  [[nodiscard]] bool can_send_more() const noexcept;
  [[nodiscard]] bool fill() noexcept;
  bool send() noexcept;
  void reap() noexcept;
  void await_bell(bool soon) noexcept;
  void ring_bell() noexcept;
  [[nodiscard]] bool take_completions(std::vector<queue_item>& to_wake) noexcept;
  void settle(const io_uring_cqe& done, std::vector<queue_item>& to_wake) noexcept;
  [[nodiscard]] bool idle() const noexcept;

  scheduler& scheduler_;
  io_uring ring_{};      // (U2)
  bool writes_ = false;  // (U2) there are writes in the submission queue
  bool is_open_ = false;
  int bell_ = -1;  // an eventfd: rung by the kernel for each completion, and by us when the reaper is to look

  mutable std::mutex lock_;
  std::condition_variable became_idle_;
  // Guarded by lock_.
  intrusive_list<ring_request> queued_;     // not yet with the kernel
  intrusive_list<ring_request> submitted_;  // with the kernel
  intrusive_list<ring_request> to_cancel_;  // with the kernel, which is to be asked to cancel it
  unsigned requests_sent_ = 0;              // not completed; cancellations are not counted
  bool submitting_ = false;
  bool send_again_ = false;  // the kernel did not take all that is in the submission queue
  bool waking_ = false;      // the reaper has taken completions, and is about to wake their tasks
  bool stopping_ = false;

  std::thread reaper_;
};

}  // namespace tandem::detail
