// What there is of a supervisor for as long as it has a handle, whether it runs or not, and how the world reaches the
// life it is living.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include <tandem/actors/detail/child.hpp>
#include <tandem/actors/supervisor.hpp>
#include <tandem/csp/oneshot.hpp>
#include <tandem/csp/unbounded.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/sync/event.hpp>

namespace tandem::actors::detail {

class supervisor_life;
struct system_impl;

/// Where in a tree a task is: among the values of its context.
struct place {
  std::uint64_t supervisor;  // supervisor_core::id
  std::uint64_t child;       // its number there
  const place* above;        // of the supervisor's own tasks; kept by the same context
};
inline constexpr context_key<place> place_key("place in a supervision tree");

/// The number of the child of this supervisor that the calling task is part of; 0 if it is of none.
[[nodiscard]] std::uint64_t child_of_caller(std::uint64_t supervisor) noexcept;

/// Something that a supervisor is to do, by itself or at somebody's wish.
class supervisor_command {
 public:
  supervisor_command() = default;
  supervisor_command(const supervisor_command&) = delete;
  supervisor_command& operator=(const supervisor_command&) = delete;
  virtual ~supervisor_command() = default;

  /// True if it was a question, and has been answered.
  [[nodiscard]] virtual bool answer(supervisor_life&) { return false; }
  [[nodiscard]] virtual task<void> run(supervisor_life& life) = 0;
  virtual void refuse(error why) noexcept = 0;

  std::uint64_t from = 0;  // child_of_caller()
};

/// What comes into a supervisor's inbox.
struct notice {
  enum class kind : std::uint8_t { ready, ended, retry, command, stop, kill };

  notice(kind k, std::uint64_t child, std::uint64_t which_life, error why = {}) noexcept
      : what(k), number(child), life(which_life), reason(std::move(why)) {}
  explicit notice(std::unique_ptr<supervisor_command> c) noexcept : what(kind::command), order(std::move(c)) {}
  notice(kind k, error why, time_point at_the_latest) noexcept
      : what(k), reason(std::move(why)), until(at_the_latest) {}

  kind what;
  std::uint64_t number = 0;
  std::uint64_t life = 0;
  error reason;
  time_point until = no_deadline;
  std::unique_ptr<supervisor_command> order;
};

/// What a child's life holds on to.
struct life_line {
  csp::unbounded_sender<notice> inbox;
  std::uint64_t number;
  std::uint64_t life;
  context base;
  tandem::detail::scheduler* home;
  std::uint64_t salt;  // of random numbers; the same in every run of a simulation
};

/// A child whose life was given up, and may go on; until it has ended, it has a share of its line.
struct left_behind {
  std::weak_ptr<const life_line> life;
  std::string name;
};
/// Those that have not ended.
[[nodiscard]] std::string names_of(const std::vector<left_behind>& all);

/// Those that a supervisor left behind when it was stopped; the payload of what it then ends with.
struct left_children {
  std::vector<left_behind> all;
};

/// One life of a supervisor, as its handles see it.
///
/// (V4) The errors are written before the event that they belong to is set, and constant after.
struct life_record {
  explicit life_record(csp::unbounded_sender<notice> to) noexcept : inbox(std::move(to)) {}

  /// Sets what has not been said yet: what ends without a word was destroyed.
  void close(const error& otherwise) noexcept;

  const csp::unbounded_sender<notice> inbox;  // closed once the life is over
  sync::event started;
  error start_error;
  sync::event ended;
  error end_error;  // none: in order
  std::vector<left_behind> left;
};

/// Its life runs as a task. An unbounded channel is its inbox: children's ends are told by code that can neither wait
/// nor fail, there are at most two for each life of a child, and whoever sends a command waits for the answer.
class supervisor_core final : public std::enable_shared_from_this<supervisor_core> {
 public:
  supervisor_core(supervisor_options o, std::vector<child_spec> with, std::optional<child_spec> one_by_one,
                  std::source_location made_at);

  /// Begins a life. `parent`: of the supervisor whose child this is.   Errors: throws std::bad_alloc.
  void begin_root(system_impl& home);
  void begin_child(const child_life& parent);
  /// The life begun last; null if there was none.
  [[nodiscard]] std::shared_ptr<life_record> record() const;
  /// Sends it something, if it lives.
  void post(notice what) noexcept;
  /// There will be no more lives.
  void retire(const error& reason) noexcept;

  const std::uint64_t id;
  const supervisor_options options;
  const std::vector<child_spec> children;        // it begins each life with
  const std::optional<child_spec> dynamic_like;  // what its children are like, if they are made one by one
  const error fault;                             // why it cannot begin
  const std::source_location where;
  std::atomic<std::uint64_t> last_number{0};  // relaxed: gives numbers, publishes nothing

 private:
  struct start;
  void launch(start with, tandem::detail::scheduler& home);
  static task<void> live(std::shared_ptr<supervisor_core> core, start with);

  mutable std::mutex lock_;
  std::shared_ptr<life_record> record_;  // guarded by lock_
};

}  // namespace tandem::actors::detail
