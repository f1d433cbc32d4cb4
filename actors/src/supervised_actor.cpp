#include <tandem/actors/detail/supervised_actor.hpp>

#include <mutex>
#include <optional>
#include <utility>

#include <tandem/actors/actor_child.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/sync/event.hpp>

#include "cell.hpp"
#include "overseer.hpp"

namespace tandem::actors::detail {
namespace {

/// What the cell and its child share.
class actor_overseer final : public overseer {
 public:
  void begin(const child_life& life) {
    const std::lock_guard hold(lock_);
    life_ = life;
    for_good_ = false;
    gone_.reset();
  }
  void stopped(const error& reason, bool for_good) noexcept override {
    std::optional<child_life> told;
    {
      const std::lock_guard hold(lock_);
      told = std::exchange(life_, std::nullopt);
      for_good_ = for_good;
    }
    gone_.set();
    if (told) told->ended(reason);
  }
  /// It could not begin: it has been, or is being, ended for good.
  void lost() noexcept {
    {
      const std::lock_guard hold(lock_);
      life_.reset();
      for_good_ = true;
    }
    gone_.set();
  }
  /// Set while there is no object.
  [[nodiscard]] sync::event& gone() noexcept { return gone_; }
  [[nodiscard]] bool ended_for_good() const noexcept {
    const std::lock_guard hold(lock_);
    return for_good_;
  }

 private:
  mutable std::mutex lock_;
  std::optional<child_life> life_;  // guarded by lock_
  bool for_good_ = false;           // guarded by lock_
  sync::event gone_{true};
};

/// One actor, as its refs know it: not begun, alive, or paused between two lives.
struct incarnation {
  incarnation(system& home, const spawn_actor_options& options, const actor_kind& kind)
      : nascent(std::in_place, home, options, kind, nullptr) {
    if (!*nascent) {
      nascent.reset();
      return;
    }
    self = static_cast<cell*>(&nascent->context().target());
    ref = target_ptr(self);
    self->supervise(watch);
  }

  // Errors: throws what the constructor throws, errc::unavailable.
  void begin(const child_life& life, const body_maker& make, bool keep_mail) {
    if (!self) throw error_exception(make_error(errc::unavailable, "the actor system has been shut down"));
    if (!nascent && !self->begin_again()) {
      watch->lost();
      throw error_exception(make_error(errc::unavailable, "the actor has been ended"));
    }
    self->run_under(life.base_context());
    std::unique_ptr<actor_body> body;
    try {
      body = make(self->context_object());
    } catch (...) {
      self->undo_construction();
      if (!nascent) self->wait_again();
      throw;
    }
    watch->begin(life);
    if (nascent) {
      (void)nascent->launch(std::move(body));
      nascent.reset();
    } else {
      self->restart(std::move(body), keep_mail);
    }
  }

  const std::shared_ptr<actor_overseer> watch = std::make_shared<actor_overseer>();
  target_ptr ref;
  cell* self = nullptr;
  std::optional<nascent_actor> nascent;  // gone before the ref is
};

class supervised_actor final : public child {
 public:
  supervised_actor(system& home, supervised_actor_options options, const actor_kind& kind, body_maker make)
      : home_(home),
        options_(std::move(options)),
        kind_(kind),
        make_(std::make_shared<const body_maker>(std::move(make))) {
    renew();
  }
  ~supervised_actor() override { retire({}); }

  [[nodiscard]] const target_ptr& ref() const noexcept { return now_->ref; }

  [[nodiscard]] bool start(const child_life& life) override {
    if (!now_ || now_->watch->ended_for_good()) renew();
    if (now_->watch->gone().is_set()) {
      now_->begin(life, *make_, options_.keeps_mail);
      return true;
    }
    waits_.emplace(life.base_context());
    life.spawn(begin_later(now_, life, make_, options_), "supervised actor", waits_->context(), options_.where);
    return false;
  }
  void stop(const error& reason) noexcept override {
    if (!now_) return;
    if (waits_) waits_->cancel(reason);
    if (!now_->watch->gone().is_set()) now_->self->halt(reason, true);
  }
  void kill(const error& reason) noexcept override { stop(reason); }
  void retire(const error& reason) noexcept override {
    if (const auto last = std::exchange(now_, nullptr); last && last->self && !last->nascent) last->self->end(reason);
  }

 private:
  void renew() { now_ = std::make_shared<incarnation>(home_, options_.spawn, kind_); }

  // The last life was given up, and its object is still there.
  static task<void> begin_later(std::shared_ptr<incarnation> now, child_life life,
                                std::shared_ptr<const body_maker> make, supervised_actor_options options) {
    error failure;
    try {
      if (auto gone = co_await now->watch->gone().wait_for(options.patience); !gone) {
        failure = wrap(std::move(gone).error(), "the object of its last life is still there");
      } else if (auto wanted = this_task::check(); !wanted) {
        failure = std::move(wanted).error();
      } else {
        now->begin(life, *make, options.keeps_mail);
        // A stop() that came meanwhile may have found nobody to halt. Both that and this look after they have acted.
        if (auto still = this_task::check(); !still) now->self->halt(std::move(still).error(), true);
      }
    } catch (...) {
      failure = from_exception(std::current_exception());
    }
    if (failure) {
      life.ended(std::move(failure));
    } else {
      life.ready();
    }
  }

  system& home_;
  const supervised_actor_options options_;
  const actor_kind& kind_;
  const std::shared_ptr<const body_maker> make_;
  std::shared_ptr<incarnation> now_;  // null once it was retired
  std::optional<cancel_source> waits_;
};

}  // namespace

std::shared_ptr<child> make_supervised_actor(system& home, supervised_actor_options options, const actor_kind& kind,
                                             body_maker make) {
  return std::make_shared<supervised_actor>(home, std::move(options), kind, std::move(make));
}

target_ptr target_of_supervised(child& of) noexcept { return static_cast<supervised_actor&>(of).ref(); }

supervised_actor_options options_of(const actor_child_options& o) {
  using std::chrono::seconds;
  const child_shutdown limit = o.child.shutdown.value_or(child_shutdown(seconds(5)));
  return {spawn_actor_options(o.child.id, o.mailbox_capacity, o.when_full), o.on_restart == waiting_mail::keep,
          limit.limit() > duration::zero() ? limit.limit() : seconds(5), o.child.where};
}

}  // namespace tandem::actors::detail
