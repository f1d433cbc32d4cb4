// What a system is made of: the table of its actors, their names, and the CAF system they belong to.
#pragma once
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
#include <tandem/runtime/detail/worker.hpp>

#include "cell_table.hpp"
#include "living_system.hpp"
#include "stderr_log.hpp"

namespace tandem::actors::detail {

class hosted_caf;

/// (Y1) The table counts the actors, and lets no new ones in once it is closed and empty. Whoever is told so completes
///      ended_, as the last thing done to a system by an actor.
/// (Y2) An actor that is published while shutdown goes through the table is told to end by itself: it looks at
///      `stopping` after that, shutdown goes through the table after it set it.
struct system_impl final : private tandem::detail::task_source {
  system_impl(tandem::detail::scheduler& on, tandem::context root, bool is_simulated, system_options with);
  ~system_impl();
  system_impl(const system_impl&) = delete;
  system_impl& operator=(const system_impl&) = delete;

  /// Of an actor that has ended, or never started.
  void one_less(std::uint64_t id) noexcept;
  void forget_names(const target& of) noexcept;
  /// The clock of ages.
  [[nodiscard]] coarse_time coarse_now() const noexcept { return coarse_now(core, simulated); }
  /// A little behind.
  [[nodiscard]] coarse_time about_now() const noexcept { return about_now(core, simulated); }
  // The same without a system.
  [[nodiscard]] static coarse_time coarse_now(const tandem::detail::scheduler& on, bool is_simulated) noexcept;
  [[nodiscard]] static coarse_time about_now(const tandem::detail::scheduler& on, bool is_simulated) noexcept {
    if (is_simulated || !tandem::detail::tls_worker) [[unlikely]] return coarse_now(on, is_simulated);
    return coarse_time{tandem::detail::tls_worker->coarse_ms};
  }
  void report(const dead_letter& letter) noexcept;
  /// The same of a letter that is made only if somebody wants to see it: there may be many.
  template <class F>
  void report_made(const F& make) noexcept {
    if (counts_only()) return;
    show(make());
  }
  /// Of an actor that failed, and nobody was told.
  void report_failure(const cell& of, const error& why) noexcept;
  result<void> shutdown(duration limit);

  // What actors know their system by: the users' object may be gone before an actor that did not end in time. Holds
  // this from the end of the constructor to the destructor, but never destroys it.
  system self;
  tandem::detail::scheduler& core;
  const bool simulated;
  const system_options options;
  const cancel_source context;
  std::unique_ptr<hosted_caf> caf;
  cell_table table;

  std::atomic<bool> stopping{false};
  const error stop_reason = make_error(errc::cancelled, "the actor system is shutting down");
  std::atomic<std::size_t> dead_letters{0};

  std::mutex names_lock;
  std::map<std::string, target_ptr, std::less<>> names;  // guarded by names_lock

  living_system living{*this};  // for those who report from outside: senders, by refs that outlive it

 private:
  [[nodiscard]] bool counts_only() noexcept;
  void show(const dead_letter& letter) noexcept;
  void list(tandem::detail::census_taker& out, tandem::detail::census_of whom) noexcept override;
  task<result<void>> wait_for_end(time_point until);
  [[nodiscard]] std::string describe_left();

  void all_ended() noexcept;

  stderr_log letters_log_{"dead letters"};
  stderr_log failures_log_{"actors that failed"};

  std::mutex shutdown_lock_;
  bool closed_ = false;  // guarded by shutdown_lock_, as is the waiting side of ended_
  static constexpr tandem::detail::wait_kind actors_end{"the actors of a system to end",
                                                        &tandem::detail::completion_wait::cancel};
  tandem::detail::completion<void>* const ended_ = new tandem::detail::completion_of<void, actors_end>;
};

}  // namespace tandem::actors::detail
