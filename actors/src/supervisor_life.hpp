// The engine: one life of a supervisor, from the start of its first child to the end of its last.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tandem/actors/supervisor.hpp>
#include <tandem/csp/channel.hpp>

#include "supervisor_core.hpp"

namespace tandem::actors::detail {

/// Runs as one task, and does one thing at a time. While it waits for a child, what comes in is filed: notices of
/// children with their slots, questions are answered, all else goes to pending_, in order.
///
/// (V5) A slot's life number changes whenever a life begins, has ended or is given up; a notice with another number is
///      stale.
/// (V6) Once stop_ or over_ is set nothing is begun any more, and what is being started is not waited for.
class supervisor_life {
 public:
  supervisor_life(supervisor_core& core, std::shared_ptr<life_record> record, const csp::receiver<notice>& inbox,
                  const context& base, const context& watched, std::uint64_t salt);

  /// Gives why it ended: none if in order.
  [[nodiscard]] task<error> run(const child_life* parent);

  // Commands; see supervisor.
  [[nodiscard]] task<result<child_state>> start_child(child_spec spec);
  [[nodiscard]] task<result<added_child>> add_dynamic(std::shared_ptr<child> what);
  [[nodiscard]] task<result<child_state>> restart_child(std::string id);
  [[nodiscard]] result<void> delete_child(std::string_view id);
  [[nodiscard]] task<void> terminate(std::uint64_t number);
  /// 0 if there is none.
  [[nodiscard]] std::uint64_t find(std::string_view id) const;
  [[nodiscard]] bool has(std::uint64_t number) const { return slots_.contains(number); }
  [[nodiscard]] std::vector<child_info> which_children() const;
  [[nodiscard]] child_counts count_children() const;
  [[nodiscard]] result<child_description> get_child_spec(std::string_view id) const;

 private:
  /// A child, and what is known of the life it is in.
  struct slot {
    slot(std::uint64_t n, const child_options& o, child_type t, child_shutdown s, std::shared_ptr<child> w, bool fixed)
        : number(n), options(o), type(t), shutdown(s), what(std::move(w)), is_static(fixed) {}

    const std::uint64_t number;
    const child_options options;
    const child_type type;
    const child_shutdown shutdown;
    const std::shared_ptr<child> what;
    const bool is_static;  // the supervisor begins each of its lives with it
    context base;          // of all its lives

    child_state state = child_state::stopped;
    std::uint64_t life = 0;               // V5
    std::weak_ptr<const life_line> line;  // of the life begun last
    bool ready = false;
    bool ended = false;
    bool awaited = false;  // by end_together()
    error end_reason;
    time_point since{};
    time_point due = no_deadline;  // in dues_, if it is not no_deadline
    std::size_t restarts = 0;
    error last_reason;
    backoff delays;
  };
  enum class start_outcome : std::uint8_t { running, nothing_to_run, failed };
  using numbers = std::vector<std::uint64_t>;

  // Coming and going of slots.
  slot& add(const child_options& options, child_type type, child_shutdown limit, std::shared_ptr<child> what,
            bool is_static);
  void erase(slot& s, const error& reason);
  void settle(slot& s, child_state state);

  // What comes in.
  [[nodiscard]] task<void> gather(time_point until);
  void file(notice what);
  void file_end(notice what);
  void file_command(notice what);
  void refuse(supervisor_command& command, const slot& from) const;
  void refuse_commands_of(const slot& s);
  void begin_to_stop(error reason, time_point until, bool kill) noexcept;

  // The phases of the life.
  [[nodiscard]] task<error> begin();
  [[nodiscard]] task<void> serve();
  [[nodiscard]] task<void> handle(notice what);
  [[nodiscard]] task<void> finish();

  // Starting, and starting again.
  [[nodiscard]] task<start_outcome> start(slot& s);
  [[nodiscard]] task<void> child_ended(slot& s);
  [[nodiscard]] bool shuts_down(const slot& s) const;
  [[nodiscard]] task<void> decide(slot& s, child_incident what);
  [[nodiscard]] task<void> attempt(slot& s);
  [[nodiscard]] numbers concerned(const slot& s) const;
  [[nodiscard]] task<void> stop_others(const slot& s);
  void count_restart();

  // Ending.
  [[nodiscard]] task<void> end(numbers in_order, error reason);
  [[nodiscard]] task<void> end_together(numbers which, error reason);
  void tell_to_end(slot& s, const error& reason, time_point& until);
  void stop_waiting(const numbers& which, const error& reason);
  void conclude(slot& s);
  void leave_behind(left_behind child);

  [[nodiscard]] std::string name_of(const slot& s) const;
  void report(const slot& s, child_incident what, const error& reason, supervision_action next, duration delay = {});
  [[nodiscard]] error too_many_restarts(const slot& s) const;

  supervisor_core& core_;
  const std::shared_ptr<life_record> record_;
  const csp::receiver<notice>& inbox_;
  const context& base_;
  context watched_;
  const bool is_root_;
  const std::uint64_t salt_;

  std::map<std::uint64_t, slot> slots_;  // in the order in which they are started
  std::map<std::string, std::uint64_t, std::less<>> ids_;
  std::set<std::pair<time_point, std::uint64_t>> dues_;
  std::deque<notice> pending_;
  std::deque<time_point> restarts_;  // those that count, oldest first
  std::uint64_t last_life_ = 0;
  std::size_t awaited_ = 0;  // slots that are

  bool stop_ = false;    // told to
  bool killed_ = false;  // … and to wait for nobody
  time_point stop_by_ = no_deadline;
  error stop_reason_;
  bool over_ = false;  // by its own decision
  error verdict_;      // … which is none if it shuts down in order
  std::vector<left_behind> left_;
};

/// Errors: errc::invalid_argument.
[[nodiscard]] result<void> check_new_child(const child_options& options, auto_shutdown shut_down_on);

}  // namespace tandem::actors::detail
