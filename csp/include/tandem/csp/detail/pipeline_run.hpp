// One run of a pipeline: its stages, how the failure of one ends the others, and what they failed with.
#pragma once
#include <memory>
#include <mutex>
#include <source_location>
#include <utility>
#include <vector>

#include <tandem/csp/group.hpp>
#include <tandem/csp/on_error.hpp>
#include <tandem/errors/error.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp::detail {

/// What a stage is called and where it was made.
struct stage_label {
  stage_label(const char* k, std::source_location w) noexcept : kind(k), where(w) {}
  const char* kind;
  std::source_location where;
  const char* name = nullptr;  // null: its kind and its number in the run
};

/// A stage that runs. Its tasks are under a context of their own.
struct stage_node {
  stage_node(const context& parent, const stage_label& l, unsigned n, std::vector<stage_node*> b)
      : label(l), number(n), before(std::move(b)), scope(parent) {}

  const stage_label label;
  const unsigned number;
  const std::vector<stage_node*> before;  // empty: it takes in what comes from outside
  const cancel_source scope;
  stage_node* earlier = nullptr;
};

/// (P1) A stage is added after the stages before it. So the list of a run's stages only grows at its head, and can be
///      walked from any node on without the lock.
/// (P2) A failed stage is noted before any context is cancelled because of it, and a stage that is added looks at that:
///      so none is left running.
/// (P3) No context is cancelled and nothing of the user's destroyed under the lock.
class pipeline_run {
 public:
  pipeline_run(group_share in, on_error how) noexcept : group_(std::move(in)), how_(how) {}
  pipeline_run(const pipeline_run&) = delete;
  pipeline_run& operator=(const pipeline_run&) = delete;
  /// Fails the group with what nobody has taken. Stages have shares of the run, and end before their slots in the group
  /// do.
  ~pipeline_run();

  stage_node& add(const stage_label& label, std::vector<stage_node*> before);

  /// A task of `stage` has ended with `what`. That is no failure if it only says that the stage was told to end.
  void ended(const stage_node& stage, error what) noexcept;

  /// What the stages failed with, joined; no error if none did.
  [[nodiscard]] error take_failure() noexcept;

 private:
  void end_with(const stage_node& stage, const error& why) noexcept;
  static void end_before(const stage_node& stage, const error& why) noexcept;

  group_share group_;
  const on_error how_;
  std::mutex lock_;               // guards the rest; failures are rare
  stage_node* latest_ = nullptr;  // written by who starts the run only
  std::vector<error> failures_;
  error first_;        // what contexts are cancelled with
  bool told_ = false;  // take_failure() was called
};

/// A run that is being started.
struct pipeline_start {
  pipeline_start(group& g, on_error how) : tasks(g), run(std::make_shared<pipeline_run>(g.share(), how)) {}

  group& tasks;
  std::shared_ptr<pipeline_run> run;
};

/// Runs a task of a stage.
[[nodiscard]] task<void> run_stage(std::shared_ptr<pipeline_run> run, const stage_node& stage, task<result<void>> body);

/// A stage to which tasks are being added.
class stage_start {
 public:
  stage_start(pipeline_start& s, const stage_label& label, std::vector<stage_node*> before)
      : start_(s), node_(s.run->add(label, std::move(before))) {}

  /// One more task for the stage.
  void go(task<result<void>> body) const {
    const stage_label& l = node_.label;
    start_.tasks.go(run_stage(start_.run, node_, std::move(body)), l.name ? l.name : l.kind, l.where);
  }
  [[nodiscard]] stage_node& node() const noexcept { return node_; }
  [[nodiscard]] std::source_location where() const noexcept { return node_.label.where; }

 private:
  pipeline_start& start_;
  stage_node& node_;
};

}  // namespace tandem::csp::detail
