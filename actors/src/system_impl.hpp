// What a system is made of: the table of its actors, their names, and the CAF system they belong to.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <tandem/actors/system.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>

namespace tandem::actors::detail {

class hosted_caf;

/// (Y1) count_ counts the live actors and, until shutdown begins, one more. It never leaves zero: whoever reaches it
///      completes ended_, as the last thing done to a system by an actor.
/// (Y2) An actor that is added while shutdown goes through the table is told to end by itself: it looks at `stopping`
///      after it was added, shutdown goes through the table after it set it.
struct system_impl final : private tandem::detail::task_source {
  system_impl(system& facade, tandem::detail::scheduler& on, tandem::context root, bool is_simulated,
              system_options with);
  ~system_impl();
  system_impl(const system_impl&) = delete;
  system_impl& operator=(const system_impl&) = delete;

  /// Y1. False if the system has ended.
  [[nodiscard]] bool one_more() noexcept;
  void one_less() noexcept;
  void add(cell& c) noexcept;
  /// Takes it, and its names, out.
  void remove(cell& c) noexcept;
  [[nodiscard]] local_target_ptr find(std::uint64_t id) noexcept;
  void report(const dead_letter& letter) noexcept;
  result<void> shutdown(duration limit);
  [[nodiscard]] std::size_t live() const noexcept;

  system& self;
  tandem::detail::scheduler& core;
  const bool simulated;
  const system_options options;
  const cancel_source context;
  std::unique_ptr<hosted_caf> caf;

  std::atomic<bool> stopping{false};
  const error stop_reason = make_error(errc::cancelled, "the actor system is shutting down");
  std::atomic<std::size_t> dead_letters{0};

  std::mutex names_lock;
  std::map<std::string, target_ptr, std::less<>> names;  // guarded by names_lock

 private:
  struct bucket {
    tandem::detail::spin_lock lock;
    cell* first = nullptr;  // guarded by lock
  };
  [[nodiscard]] bucket& bucket_of(std::uint64_t id) noexcept { return buckets_[id % buckets_.size()]; }
  [[nodiscard]] std::vector<local_target_ptr> everybody();
  void list(tandem::detail::census_taker& out, tandem::detail::census_of whom) noexcept override;
  task<result<void>> wait_for_end(time_point until);
  [[nodiscard]] std::string describe_left();

  std::array<bucket, 1024> buckets_;
  std::atomic<std::size_t> count_{1};  // Y1
  std::mutex shutdown_lock_;
  bool guard_dropped_ = false;  // guarded by shutdown_lock_, as is the waiting side of ended_
  static constexpr tandem::detail::wait_kind actors_end{"the actors of a system to end",
                                                        &tandem::detail::completion_wait::cancel};
  tandem::detail::completion<void>* const ended_ = new tandem::detail::completion_of<void, actors_end>;
};

}  // namespace tandem::actors::detail
