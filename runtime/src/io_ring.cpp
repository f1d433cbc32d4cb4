#include "io_ring.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <tandem/runtime/detail/task_record.hpp>

#include "io_faults.hpp"
#include "scheduler.hpp"
#include "sigpipe_guard.hpp"

namespace tandem::detail {
namespace {

constexpr std::uint64_t is_cancellation = 1;  // in a completion's user_data, beside the request's address
constexpr std::size_t completions_at_once = 64;
constexpr std::size_t most_by_a_worker = 8;  // requests that who submits one sends, with his own; the reaper sends more
constexpr duration try_again = std::chrono::milliseconds(1);

bool can_do_all(io_uring& ring) noexcept {
  io_uring_probe* const probe = io_uring_get_probe_ring(&ring);
  if (!probe) return false;
  bool all = true;
  for (const int what : {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC, IORING_OP_ASYNC_CANCEL})
    all = all && io_uring_opcode_supported(probe, what);
  io_uring_free_probe(probe);
  return all;
}

void describe_to_kernel(io_uring_sqe& entry, const ring_request& r) noexcept {
  switch (r.what) {
    case ring_request::call::read:
      io_uring_prep_read(&entry, r.descriptor, r.memory, r.length, r.offset);
      break;
    case ring_request::call::write:
      io_uring_prep_write(&entry, r.descriptor, r.memory, r.length, r.offset);
      break;
    case ring_request::call::sync_data:
      io_uring_prep_fsync(&entry, r.descriptor, IORING_FSYNC_DATASYNC);
      break;
    case ring_request::call::sync_all:
      io_uring_prep_fsync(&entry, r.descriptor, 0);
      break;
  }
  if (r.takes_long) io_uring_sqe_set_flags(&entry, IOSQE_ASYNC);
  io_uring_sqe_set_data64(&entry, reinterpret_cast<std::uint64_t>(&r));
}

}  // namespace

std::unique_ptr<io_ring> io_ring::make(scheduler& s) {
  std::unique_ptr<io_ring> made(new io_ring(s));
  if (!made->open()) return nullptr;
  try {
    made->reaper_ = std::thread([&r = *made] { r.reap(); });
  } catch (const std::system_error&) {  // no thread for it; the blocking pool may have some already
    return nullptr;
  }
  return made;
}

bool io_ring::open() noexcept {
  io_uring_params how{};
  how.flags = IORING_SETUP_CQSIZE;
  how.cq_entries = 2 * most_at_once;  // U3
  // The submission queue is emptied at each call, so its size only limits how many requests go in one.
  is_open_ = io_uring_queue_init_params(completions_at_once, &ring_, &how) == 0;
  if (!is_open_ || !can_do_all(ring_)) return false;
  bell_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return bell_ >= 0 && io_uring_register_eventfd(&ring_, bell_) == 0;
}

io_ring::~io_ring() {
  if (reaper_.joinable()) stop(no_deadline);
  if (is_open_) io_uring_queue_exit(&ring_);
  if (bell_ >= 0) close(bell_);
}

bool io_ring::submit(ring_request& request) noexcept {
  guard hold(lock_);
  if (request.where == ring_request::place::refused) {
    request.result = -ECANCELED;
    return false;
  }
  request.where = ring_request::place::queued;
  queued_.push_back(request);
  // More than that would be the work of others. Their bell has been rung, or will be by who is submitting (U2), or by
  // the kernel when it has room.
  if (submitting_ || queued_.size() > most_by_a_worker) return true;
  flush(hold);
  if (send_again_) ring_bell();  // the reaper may sleep without a limit
  return true;                   // the request may be gone
}

// One batch. Under the lock, which is released while the kernel works: it may do short requests at once.
void io_ring::flush(guard& hold) noexcept {
  send_again_ = false;
  if (!fill()) return;
  submitting_ = true;
  hold.unlock();
  const bool all = send();
  hold.lock();
  submitting_ = false;
  send_again_ = !all;
  if (all && can_send_more()) ring_bell();  // U2
}

bool io_ring::can_send_more() const noexcept {
  return !to_cancel_.empty() || (!queued_.empty() && requests_sent_ < most_at_once);
}

// Moves what there is room for to the submission queue. False if there is nothing to send.
bool io_ring::fill() noexcept {
  while (!to_cancel_.empty()) {
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    if (!entry) break;
    ring_request& r = to_cancel_.take_front();
    submitted_.push_back(r);
    r.where = ring_request::place::submitted;
    ++r.awaited;
    const auto address = reinterpret_cast<std::uint64_t>(&r);
    io_uring_prep_cancel64(entry, address, 0);
    io_uring_sqe_set_data64(entry, address | is_cancellation);
  }
  while (!queued_.empty() && requests_sent_ < most_at_once) {  // U3
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    if (!entry) break;
    ring_request& r = queued_.take_front();
    submitted_.push_back(r);
    r.where = ring_request::place::submitted;
    ++r.awaited;
    ++requests_sent_;
    describe_to_kernel(*entry, r);
    writes_ = writes_ || r.what == ring_request::call::write;
  }
  return io_uring_sq_ready(&ring_) != 0;
}

// False if the kernel is short of something, and has not taken all.
bool io_ring::send() noexcept {
  // A write that the kernel does at once, as most direct ones, raises SIGXFSZ here; its own threads have it blocked.
  std::optional<held_signal> too_long;
  if (writes_) too_long.emplace(SIGXFSZ).note_raised();  // by one or none: the completions will tell
  while (io_uring_sq_ready(&ring_) != 0) {
    const io_fault fault = io_fault_for(io_call::submit, "");
    const int sent = fault.error != 0 ? -fault.error : io_uring_submit(&ring_);
    if (sent < 0 && sent != -EINTR) return false;
  }
  writes_ = false;
  return true;
}

void io_ring::cancel(ring_request& request) noexcept {
  {
    const std::lock_guard hold(lock_);
    switch (request.where) {
      case ring_request::place::outside:
        request.where = ring_request::place::refused;
        return;
      case ring_request::place::queued:
        queued_.remove(request);
        request.where = ring_request::place::ended;
        request.result = -ECANCELED;
        break;
      case ring_request::place::submitted:
        if (std::exchange(request.cancelled, true)) return;
        submitted_.remove(request);
        to_cancel_.push_back(request);
        request.where = ring_request::place::to_cancel;
        ring_bell();  // the reaper asks the kernel: the caller may hold a lock of others
        return;
      case ring_request::place::refused:
      case ring_request::place::to_cancel:
      case ring_request::place::ended:
        return;
    }
  }
  make_ready(*request.task);
}

bool io_ring::idle() const noexcept {
  return queued_.empty() && submitted_.empty() && to_cancel_.empty() && !waking_;
}

bool io_ring::quiet() const {
  const std::lock_guard hold(lock_);
  return idle();
}

bool io_ring::stop(time_point deadline) {
  {
    guard hold(lock_);
    stopping_ = true;
    while (!queued_.empty()) {
      ring_request& r = queued_.take_front();
      r.where = ring_request::place::ended;
      r.result = -ECANCELED;
      hold.unlock();
      make_ready(*r.task);
      hold.lock();
    }
    for (std::size_t left = submitted_.size(); left > 0; --left) {
      ring_request& r = submitted_.take_front();
      const bool cancelled_before = std::exchange(r.cancelled, true);
      (cancelled_before ? submitted_ : to_cancel_).push_back(r);
      if (!cancelled_before) r.where = ring_request::place::to_cancel;
    }
    ring_bell();
    if (!became_idle_.wait_until(hold, deadline, [this] { return idle(); })) return false;
  }
  reaper_.join();
  return true;
}

void io_ring::ring_bell() noexcept {
  const std::uint64_t once = 1;
  [[maybe_unused]] const ssize_t written = write(bell_, &once, sizeof once);  // full: it is ringing
}

void io_ring::await_bell(bool soon) noexcept {
  pollfd bell{bell_, POLLIN, 0};
  const timespec moment{0, std::chrono::nanoseconds(try_again).count()};
  (void)ppoll(&bell, 1, soon ? &moment : nullptr, nullptr);  // EINTR: then it looks in vain
  std::uint64_t times;
  [[maybe_unused]] const ssize_t got = read(bell_, &times, sizeof times);
}

// Takes some completions out of the queue. False if there are none.
bool io_ring::take_completions(std::vector<queue_item>& to_wake) noexcept {
  std::array<io_uring_cqe*, completions_at_once> done;
  const unsigned n = io_uring_peek_batch_cqe(&ring_, done.data(), static_cast<unsigned>(done.size()));
  {
    const std::lock_guard hold(lock_);
    for (unsigned i = 0; i < n; ++i) settle(*done[i], to_wake);
    waking_ = !to_wake.empty();
  }
  io_uring_cq_advance(&ring_, n);
  return n != 0;
}

void io_ring::settle(const io_uring_cqe& done, std::vector<queue_item>& to_wake) noexcept {
  const std::uint64_t about = io_uring_cqe_get_data64(&done);
  ring_request& r = *reinterpret_cast<ring_request*>(about & ~is_cancellation);
  if ((about & is_cancellation) == 0) {
    r.result = done.res;
    --requests_sent_;
  }
  if (--r.awaited != 0) return;  // U1
  (r.where == ring_request::place::to_cancel ? to_cancel_ : submitted_).remove(r);
  r.where = ring_request::place::ended;
  to_wake.push_back(item_of(*r.task));  // there is room for a batch
}

// The reaper's thread.
void io_ring::reap() noexcept {
  std::vector<queue_item> to_wake;
  to_wake.reserve(completions_at_once);
  bool soon = false;
  for (bool leave = false; !leave;) {
    await_bell(soon);
    while (take_completions(to_wake)) {
      if (to_wake.empty()) continue;
      scheduler_.inject(to_wake.data(), to_wake.size());
      to_wake.clear();
      const std::lock_guard hold(lock_);
      waking_ = false;
    }
    guard hold(lock_);
    if (!submitting_) flush(hold);  // else who is submitting rings, if need be (U2)
    soon = send_again_;
    if (!idle()) continue;
    became_idle_.notify_all();
    leave = stopping_;
  }
}

}  // namespace tandem::detail
