// The inside of actor_pool: a queue, its workers, and the actor that keeps their number.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <tandem/actors/actor_pool_options.hpp>
#include <tandem/actors/detail/envelope_list.hpp>
#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/actors/detail/watcher.hpp>
#include <tandem/actors/fwd.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>

namespace tandem::actors::detail {

/// How a pool gets at what is inside of its messages.
struct pool_messages {
  struct entry {
    const void* tag;
    const std::type_info* message;
    void* (*value)(envelope& e);
    void (*reply)(envelope& e, void* value);
  };
  const protocol_info* protocol;
  const entry* entries;
  std::size_t count;

  [[nodiscard]] const entry* find(const void* tag) const noexcept {
    for (std::size_t i = 0; i < count; ++i)
      if (entries[i].tag == tag) return &entries[i];
    return nullptr;
  }

  template <class... Signatures>
  [[nodiscard]] static pool_messages of() {
    static const entry all[] = {entry_of(std::type_identity<Signatures>{})...};
    return {&actors::protocol<Signatures...>::info(), all, sizeof...(Signatures)};
  }

 private:
  template <class R, class M>
  static entry entry_of(std::type_identity<R(M)>) noexcept {
    return {&signature_tag<R(M)>, &typeid(M),
            [](envelope& e) -> void* { return &static_cast<typed_envelope<M, R>&>(e).value; },
            []([[maybe_unused]] envelope& e, [[maybe_unused]] void* value) {
              if constexpr (std::is_void_v<R>) {
                static_cast<typed_envelope<M, R>&>(e).reply({});
              } else {
                static_cast<typed_envelope<M, R>&>(e).reply(std::move(*static_cast<R*>(value)));
              }
            }};
  }
};

class message_in_hand;

/// (W1) A message is queued, or in one hand (message_in_hand), or gone. If a worker was given it and has not begun to
///      handle it, it comes back to the front of the queue, and the worker counts as ended.
/// (W2) A worker has at most one message in hand. While the queue is not empty, no worker is idle: whoever makes either
///      of that untrue calls dispatch().
/// (W3) Each hand has a share of the pool: so it lives, and with it its workers, until what it accepted is handled.
/// (W4) Neither workers nor senders nor users' functions are called under lock_.
/// (W5) The keeper, an actor of the system, has a share of the memory. It makes and lets go of workers, so that users'
///      functions run in an actor and not in a sender; and its end, when the system shuts down, closes the pool.
class pool_target final : public target, public std::enable_shared_from_this<pool_target> {
 public:
  using factory = std::function<target_ptr()>;

  pool_target(actors::system& home, const pool_messages& messages, factory make_worker,
              actor_pool_options options);

  [[nodiscard]] result<void> add(const target_ptr& worker);
  bool remove(const target* worker) noexcept;
  [[nodiscard]] actor_pool_stats stats() noexcept;

  [[nodiscard]] std::uint64_t id() const noexcept override { return id_; }
  [[nodiscard]] std::string target_name() const override { return options_.name; }
  [[nodiscard]] const protocol_info& protocol() const noexcept override { return *messages_.protocol; }
  [[nodiscard]] std::size_t depth() const noexcept override;
  [[nodiscard]] delivery try_deliver(envelope_ptr& message, error& why) noexcept override;
  [[nodiscard]] room_waiter::phase wait_for_room(room_waiter& w) noexcept override;
  [[nodiscard]] bool cancel_wait(room_waiter& w) noexcept override;
  void report_dead_letter(const envelope& message, const error& why) noexcept override;

  // For the keeper.
  void start(const std::shared_ptr<pool_target>& self, target_ptr keeper) noexcept;
  void grow() noexcept;
  /// Lets go of workers that were idle for too long. When to come back; no_deadline: when told to.
  [[nodiscard]] time_point shrink() noexcept;
  [[nodiscard]] context while_open() const noexcept { return stop_.context(); }
  /// Fails all who queue and wait, and whoever comes later.
  void close(const error& why) noexcept;

 private:
  friend message_in_hand;
  class watch_on_worker;
  struct worker {
    target_ptr to;
    watcher* watch = nullptr;  // a share; null if it cannot be watched
    time_point idle_since{};
    bool parted = false;  // it is none any more, though it may have a message in hand
  };
  using worker_ptr = std::shared_ptr<worker>;
  enum class accepted : std::uint8_t { taken, full, refused };
  // Messages that nobody will handle, and senders that wait to no purpose.
  struct hopeless {
    envelope_list messages;
    wake_list senders;
    error why;
  };
  struct keeper_needed {
    target_ptr keeper;
    bool grow = false;
    bool shrink = false;
  };

  void last_ref_gone() noexcept override;

  // Under lock_.
  void enqueue(envelope_ptr message) noexcept;
  [[nodiscard]] envelope_ptr dequeue() noexcept;
  [[nodiscard]] accepted accept(envelope_ptr& message, envelope_ptr& dropped, error& why) noexcept;
  [[nodiscard]] bool has_way_to_work() const noexcept;
  [[nodiscard]] keeper_needed look_after() noexcept;
  void admit(wake_list& woken) noexcept;
  void note_end(const error& why);
  /// All who queue and wait, if there is no way to work.
  [[nodiscard]] hopeless take_hopeless() noexcept;
  /// The worker to be let go of after unlocking; null if it was none any more.
  [[nodiscard]] worker_ptr part_with(const target* which) noexcept;

  void dispatch() noexcept;
  void hand_over(worker_ptr to, envelope_ptr message) noexcept;
  /// After it has left workers_, or never came to it.
  static void let_go(const worker& w) noexcept;
  void worker_ended(const target* which, const error& why) noexcept;
  void tell(const keeper_needed& what) noexcept;
  void fail(hopeless all) noexcept;

  // For message_in_hand.
  void done(const worker_ptr& by) noexcept;
  void returned(const worker_ptr& by, envelope_ptr message, const error& why) noexcept;

  const std::uint32_t home_;  // the number of its system
  const pool_messages messages_;
  const factory make_worker_;
  const actor_pool_options options_;
  const cancel_source stop_;
  std::uint64_t id_ = 0;  // constant after start()

  mutable tandem::detail::spin_lock lock_;
  // Guarded by lock_.
  std::shared_ptr<pool_target> self_;  // while there are refs
  target_ptr keeper_;
  error closed_;
  error gave_up_;
  envelope_list queue_;
  std::size_t queued_ = 0;  // in queue_
  room_queue waiters_;
  std::vector<worker_ptr> workers_;
  std::vector<worker_ptr> idle_;  // last in, first out; as many places as workers_ has
  std::deque<time_point> ends_;   // of the restart period
  bool growing_ = false;          // the keeper was told
  bool shrinking_ = false;
  std::uint64_t handed_ = 0, dropped_ = 0, ended_ = 0;
};

[[nodiscard]] basic_target_ptr<pool_target> make_pool(actors::system& in, const pool_messages& messages,
                                                      pool_target::factory make_worker, actor_pool_options options);

}  // namespace tandem::actors::detail
