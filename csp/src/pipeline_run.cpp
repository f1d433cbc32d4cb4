#include <tandem/csp/detail/pipeline_run.hpp>

#include <mutex>
#include <string>

#include <fmt/format.h>
#include <tandem/errors/exception.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::csp::detail {

namespace {

/// `what` with the name of the stage around it; without memory for that, `what` alone.
error of_stage(const stage_node& stage, error what) noexcept {
  try {
    const std::string name =
        stage.label.name ? stage.label.name : fmt::format("{}#{}", stage.label.kind, stage.number);
    return with(with_message(what, "stage " + name, stage.label.where), "stage", name);
  } catch (...) {
    return what;
  }
}

}  // namespace

pipeline_run::~pipeline_run() {
  if (error untaken = take_failure()) group_->fail_with(std::move(untaken));
  while (latest_) delete std::exchange(latest_, latest_->earlier);
}

stage_node& pipeline_run::add(const stage_label& label, std::vector<stage_node*> before) {
  const bool takes_in = before.empty();
  const unsigned number = latest_ ? latest_->number + 1 : 1;  // only who starts the run adds stages
  auto made = std::make_unique<stage_node>(group_->context(), label, number, std::move(before));
  error why;
  {
    const std::lock_guard hold(lock_);
    made->earlier = latest_;
    latest_ = made.get();
    if (how_ == on_error::stop || takes_in) why = first_;
  }
  stage_node& added = *made.release();
  if (why) added.scope.cancel(std::move(why));  // N2
  return added;
}

void pipeline_run::ended(const stage_node& stage, error what) noexcept {
  if (!what) return;
  const bool told_to_end = stage.scope.context().is_over();
  if (told_to_end && (what == errc::cancelled || what == errc::deadline_exceeded)) return;
  const error named = of_stage(stage, std::move(what));
  {
    const std::lock_guard hold(lock_);
    if (!first_) first_ = named;
    try {
      failures_.push_back(named);
    } catch (...) {
      // first_ is told in any case.
    }
  }
  end_with(stage, named);
}

error pipeline_run::take_failure() noexcept {
  std::vector<error> taken;
  error first;
  {
    const std::lock_guard hold(lock_);
    taken.swap(failures_);
    first = first_;
    if (std::exchange(told_, true)) return {};
  }
  try {
    if (!taken.empty()) return join(std::move(taken));
  } catch (...) {
    // No memory to tell all.
  }
  return first;
}

void pipeline_run::end_with(const stage_node& stage, const error& why) noexcept {
  const stage_node* from;
  {
    const std::lock_guard hold(lock_);
    from = latest_;
  }
  if (how_ == on_error::drain) end_before(stage, why);
  for (const stage_node* n = from; n; n = n->earlier)
    if (how_ == on_error::stop || n->before.empty()) n->scope.cancel(why);
}

/// The stage, and whatever gives values to it.
void pipeline_run::end_before(const stage_node& stage, const error& why) noexcept {
  stage.scope.cancel(why);
  for (const stage_node* const n : stage.before) end_before(*n, why);
}

task<void> run_stage(std::shared_ptr<pipeline_run> run, const stage_node& stage, task<result<void>> body) {
  error outcome;
  try {
    const tandem::detail::context_swap inside(stage.scope.context().state());
    task<result<void>> running(std::move(body));
    if (auto ended = co_await std::move(running).unlisted(); !ended) outcome = std::move(ended).error();
  } catch (...) {
    outcome = from_exception(std::current_exception());
  }
  run->ended(stage, std::move(outcome));
}

}  // namespace tandem::csp::detail
