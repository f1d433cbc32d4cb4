// Who is told that a target has ended, and the list of them that a target keeps.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

#include <tandem/actors/down.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>

namespace tandem::actors::detail {

/// Told once. Shared by whoever made it and the list it is in.
class watcher : public tandem::detail::pooled {
 public:
  watcher() = default;
  watcher(const watcher&) = delete;
  watcher& operator=(const watcher&) = delete;

  void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }  // the caller has a share
  void release() noexcept {
    // Release orders this side's accesses before the delete; acquire lets the last one see them all.
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// Threads: any; no lock of the target is held.
  virtual void told(const down& what) noexcept = 0;

 protected:
  virtual ~watcher() = default;

 private:
  friend class watcher_list;
  std::atomic<std::uint32_t> shares_{1};
  bool linked_ = false;  // guarded by the list's lock, as the rest
  watcher* previous_ = nullptr;
  watcher* next_ = nullptr;
};

/// Threads: any.
class watcher_list {
 public:
  watcher_list() = default;
  watcher_list(const watcher_list&) = delete;
  watcher_list& operator=(const watcher_list&) = delete;
  ~watcher_list() {
    while (watcher* const w = pop()) w->release();
  }

  /// False: tell_all() was called before; the watcher is not told by it.
  [[nodiscard]] bool add(watcher& w) noexcept {
    const std::lock_guard hold(lock_);
    if (over_) return false;
    w.retain();
    w.linked_ = true;
    w.previous_ = nullptr;
    w.next_ = first_;
    if (first_) first_->previous_ = &w;
    first_ = &w;
    return true;
  }
  /// False: it is not in the list; it was told, or is being told, or was never added.
  bool remove(watcher& w) noexcept {
    {
      const std::lock_guard hold(lock_);
      if (!w.linked_) return false;
      unlink(w);
    }
    w.release();
    return true;
  }
  /// False: there was nobody to tell.
  bool tell_all(const down& what) noexcept {
    {
      const std::lock_guard hold(lock_);
      over_ = true;
    }
    bool any = false;
    while (watcher* const w = pop()) {
      w->told(what);
      w->release();
      any = true;
    }
    return any;
  }

 private:
  void unlink(watcher& w) noexcept {
    (w.previous_ ? w.previous_->next_ : first_) = w.next_;
    if (w.next_) w.next_->previous_ = w.previous_;
    w.linked_ = false;
  }
  watcher* pop() noexcept {
    const std::lock_guard hold(lock_);
    watcher* const w = first_;
    if (w) unlink(*w);
    return w;
  }

  tandem::detail::spin_lock lock_;
  bool over_ = false;
  watcher* first_ = nullptr;
};

}  // namespace tandem::actors::detail
