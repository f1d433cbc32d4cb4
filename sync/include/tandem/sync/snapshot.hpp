// A value that many read and few replace: readers never wait, for writers or for each other.
#pragma once
#include <atomic>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>

#include <tandem/sync/detail/hazard_domain.hpp>

namespace tandem::sync {

/// The current version of a T, which never changes once it is published; a writer replaces it by another.
///
/// ```
/// snapshot<config> current(load());
/// auto now = current.read();              // this version, as long as `now` lives
/// use(now->limit);
/// current.update([](config& c) { c.limit = 5; });
/// ```
/// For what is read a thousand times for each write: a read writes nothing that is shared, a write copies the value and
/// interrupts the process's other running threads for a moment (membarrier).
///
/// Owns:    the current version. Older ones live exactly as long as readers hold them; whoever is the last destroys it,
///          so T's destructor may run wherever a reader is dropped. The snapshot may go before its readers, not during
///          a call of read(), update() or store(); a destructor that finds a writer at work aborts.
/// Threads: every member may be called from any thread at any time, inside of a runtime or not.
/// Memory:  what came before update() or store() is visible to whoever reads that version.
template <class T>
  requires std::is_object_v<T> && std::destructible<T> && (!std::is_const_v<T>)
class snapshot {
  struct content : detail::retirable {
    template <class... Args>
    explicit content(std::uint64_t n, Args&&... args)
        : retirable([](retirable* c) noexcept { delete static_cast<content*>(c); }),
          number(n),
          value(std::forward<Args>(args)...) {}
    const std::uint64_t number;
    T value;
  };

 public:
  /// A share of one version: the value stays as it is and where it is. May be kept over a suspension and dropped on
  /// another thread; keeps that version alive and no other.
  ///
  /// Threads: as an int: one thread at a time.
  class reader {
   public:
    reader(reader&& other) noexcept : lease_(std::move(other.lease_)), content_(other.content_) {}
    /// `now = s.read()`: the former version is let go.
    reader& operator=(reader&& other) noexcept {
      reader mine(std::move(other));
      lease_.swap(mine.lease_);
      std::swap(content_, mine.content_);
      return *this;
    }
    ~reader() {
      if (lease_ && lease_->leave_first()) [[unlikely]]
        detail::left_noted(*lease_, content_);
    }

    [[nodiscard]] const T& operator*() const noexcept { return content_->value; }
    [[nodiscard]] const T* operator->() const noexcept { return &content_->value; }
    /// 1 for the first version, and one more for each that followed.
    [[nodiscard]] std::uint64_t version() const noexcept { return content_->number; }

   private:
    friend class snapshot;
    explicit reader(const detail::atomic<content*>& current) : content_(lease_->protect_first(current)) {}

    detail::hazard_lease lease_;
    content* content_;
  };

  /// The first version is made of `args`.
  template <class... Args>
    requires std::constructible_from<T, Args...>
  explicit(sizeof...(Args) == 1) snapshot(Args&&... args) : current_(new content(1, std::forward<Args>(args)...)) {}
  snapshot(const snapshot&) = delete;
  snapshot& operator=(const snapshot&) = delete;
  ~snapshot() {
    if (writer_.load(std::memory_order_relaxed) != std::thread::id()) {  // relaxed: finds what can be found
      std::fputs("tandem: a snapshot was destroyed while a writer was at work; join the writers first\n", stderr);
      std::abort();
    }
    detail::retire(*current_.load(std::memory_order_relaxed));
  }

  /// The current version. Takes a few nanoseconds whatever others do.
  /// Suspends: never.   Errors: throws std::bad_alloc, when more readers live than ever before.
  [[nodiscard]] reader read() const { return reader(current_); }

  /// Copies the current version, has `change` change the copy, and publishes that. Gives the new version's number.
  ///
  /// Writers come one after the other: a writer blocks its thread while another copies and changes, so `change` must
  /// be short. Readers get the old version meanwhile, inside of `change` too.
  ///
  /// Suspends: never.
  /// Errors:   what the copy or `change` throws, and std::bad_alloc; the old version stays then. Throws
  ///           std::logic_error if `change` writes to the same snapshot.
  template <std::invocable<T&> F>
    requires std::copy_constructible<T>
  std::uint64_t update(F&& change) {
    return publish([&](const content& old) {
      auto made = std::make_unique<content>(old.number + 1, old.value);
      std::invoke(std::forward<F>(change), made->value);
      return made;
    });
  }

  /// Publishes `value`. Gives the new version's number.
  /// Suspends, Errors: as update(); nothing of T is copied.
  std::uint64_t store(T value)
    requires std::move_constructible<T>
  {
    return publish([&](const content& old) { return std::make_unique<content>(old.number + 1, std::move(value)); });
  }

 private:
  // While it lives this thread is the writer.
  class writing {
   public:
    explicit writing(snapshot& s) : snapshot_(s) {
      // Relaxed: only this thread can have written this thread's id.
      if (s.writer_.load(std::memory_order_relaxed) == std::this_thread::get_id())
        throw std::logic_error(
            "tandem: a function that changes a snapshot wrote to the same snapshot; change the argument instead");
      s.writers_.lock();
      s.writer_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    }
    ~writing() {
      snapshot_.writer_.store(std::thread::id(), std::memory_order_relaxed);
      snapshot_.writers_.unlock();
    }
    writing(const writing&) = delete;
    writing& operator=(const writing&) = delete;

   private:
    snapshot& snapshot_;
  };

  template <class Make>
  std::uint64_t publish(Make make) {
    content* old = nullptr;
    std::uint64_t number = 0;
    {
      const writing alone(*this);
      old = current_.load(std::memory_order_relaxed);  // written by writers, one at a time
      content* const made = make(*old).release();
      number = made->number;
      current_.store(made, std::memory_order_release);  // pairs with the acquire in protect_first(): what is in it
    }
    detail::retire(*old);  // T's destructor may take its time, or write to this snapshot
    return number;
  }

  detail::atomic<content*> current_;
  std::mutex writers_;
  std::atomic<std::thread::id> writer_{};  // who holds writers_, for finding mistakes
};

}  // namespace tandem::sync
