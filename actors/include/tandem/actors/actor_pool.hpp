// actor_pool: workers that take from one queue, each one message at a time; made as load needs them, or given.
//
//   actor_pool<picture(resize)> resizers(sys, [&sys] { return sys.spawn<resizer>(); }, {.max_workers = 8});
//   auto small = co_await resizers.ref().ask(resize{path, 640}, 5s);
#pragma once
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <tandem/actors/actor_pool_options.hpp>
#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/pool_target.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::actors {

/// Competing consumers. A message goes to the worker that became idle last; if none is idle, it queues, and makes
/// another worker if it may. A worker is busy until it has answered (an ask) or its handler has ended (a tell); what
/// others send to it directly comes in between, and does not count.
///
/// A worker that ends loses the message in hand and no other: its asker gets errc::unavailable, a tell is a dead
/// letter. Nothing is handled twice. One that refuses a message, because others have filled its mailbox, counts as
/// ended. A pool that makes its workers replaces it, within limits; when the last has ended for good, all who queue and
/// wait fail with errc::unavailable, and so do later senders until a worker is added.
///
/// Owns:    a share of the pool, which has one of each worker. When handles and refs are gone, what is queued is still
///          handled; then workers without other refs end. The pool belongs to the system: with that, it ends.
/// Threads: every member may be called from any thread at any time; copies are cheap, and of the same pool.
/// Order:   messages are given out in the order they were accepted, urgent ones too; senders that wait are served as
///          they came. Two workers may finish in any order.
template <class... Signatures>
class actor_pool {
 public:
  using protocol = actors::protocol<Signatures...>;
  using ref_type = actor_ref<Signatures...>;

  /// A pool that makes its workers: `make_worker` is called by an actor of the pool, one call at a time. It spawns one
  /// worker, that takes at least the pool's messages, and gives its ref. What it throws, and an empty ref, count as a
  /// worker that has ended.
  /// Errors: throws std::invalid_argument for options that make no sense, std::bad_alloc.
  actor_pool(system& in, std::function<ref_type()> make_worker, actor_pool_options options = {})
      : target_(detail::make_pool(
            in, detail::pool_messages::of<Signatures...>(),
            [make = std::move(make_worker)] { return make ? make().target() : detail::target_ptr(); },
            std::move(options))) {}

  /// A pool of the workers given, and those added later; it makes none.
  /// Errors: throws std::bad_alloc.
  explicit actor_pool(system& in, const std::vector<ref_type>& workers = {}, actor_pool_options options = {})
      : target_(detail::make_pool(in, detail::pool_messages::of<Signatures...>(), nullptr, std::move(options))) {
    for (const ref_type& w : workers) (void)add(w);
  }

  /// Where to send to. Never empty.
  [[nodiscard]] ref_type ref() const noexcept { return ref_type(detail::target_ptr(target_.get())); }

  /// Errors: errc::failed_precondition (empty ref), errc::already_exists, errc::invalid_argument (no actor of the
  ///         pool's system), errc::unavailable (the system has shut down). Throws std::bad_alloc.
  result<void> add(const ref_type& worker) const { return target_->add(worker.target()); }

  /// It finishes what it has in hand. True if it was a worker.
  bool remove(const ref_type& worker) const { return target_->remove(worker.target().get()); }

  [[nodiscard]] actor_pool_stats stats() const noexcept { return target_->stats(); }

 private:
  detail::basic_target_ptr<detail::pool_target> target_;
};

}  // namespace tandem::actors
