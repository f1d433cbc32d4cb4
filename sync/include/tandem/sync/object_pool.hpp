// Objects that are dear to make, used again: buffers, parsers, compressors.
#pragma once
#include <concepts>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <tandem/runtime/time.hpp>
#include <tandem/sync/detail/pool_core.hpp>

namespace tandem::sync {

struct pool_options {
  /// Idle objects that are kept for all threads; each thread that uses the pool keeps up to 8 more for itself.
  std::size_t most_idle = 1024;
  /// What is idle for a whole generation and the rest of the one before it is destroyed. A return in a while looks at
  /// the clock: a pool that nobody uses keeps what it has until trim(). Positive; duration::max(): keep for ever.
  duration generation = std::chrono::seconds(10);
};

/// Lends objects of T, made when none is idle. They come back by themselves.
///
/// ```
/// object_pool<parser> parsers([] { return parser(); }, [](parser& p) { p.clear(); });
/// auto p = parsers.get();   // an object_pool<parser>::loan
/// p->parse(text);
/// ```
/// Which idle object comes is not said: most often what the calling thread returned last.
///
/// Owns:    what is idle. A pool may go before its loans: they stay good, and their objects are destroyed when they
///          end. It must not go during a call of get().
/// Threads: every member may be called from any thread at any time, inside of a runtime or not. Functions given to the
///          pool are called by several threads at once, under no lock.
template <class T>
  requires std::is_object_v<T> && std::is_nothrow_destructible_v<T>
class object_pool {
  struct state : detail::pool_core {
    state(std::function<T()> m, std::function<void(T&)> r, const pool_options& options)
        : pool_core([](void* object, std::size_t) noexcept { delete static_cast<T*>(object); }, 0,
                    {options.most_idle, detail::pool_part::capacity, options.generation}),
          make(std::move(m)),
          reset(std::move(r)) {}
    const std::function<T()> make;
    const std::function<void(T&)> reset;
  };

 public:
  /// An object on loan. May be kept over a suspension, and end on another thread.
  ///
  /// Owns:    the object, which goes back when the loan ends; if the pool's reset function throws, it is destroyed
  ///          instead, and the exception with it (put() lets it out).
  /// Threads: as a T.
  class loan {
   public:
    loan() = default;
    loan(loan&& other) noexcept
        : from_(std::exchange(other.from_, nullptr)), object_(std::exchange(other.object_, nullptr)) {}
    loan& operator=(loan&& other) noexcept {
      loan old(std::move(*this));
      from_ = std::exchange(other.from_, nullptr);
      object_ = std::exchange(other.object_, nullptr);
      return *this;
    }
    ~loan() {
      if (!object_) return;
      try {
        end();
      } catch (...) {
        // The object is gone, and with it what could not be reset: nobody needs to hear of it.
      }
    }

    [[nodiscard]] T& operator*() const noexcept { return *object_; }
    [[nodiscard]] T* operator->() const noexcept { return object_; }
    /// False for a loan that was moved from, or made of nothing.
    explicit operator bool() const noexcept { return object_ != nullptr; }

   private:
    friend class object_pool;
    loan(state& from, T* object) noexcept : from_(&from), object_(object) {}

    void end() {
      T* const object = std::exchange(object_, nullptr);
      state* const from = std::exchange(from_, nullptr);
      if (from->reset) {
        try {
          from->reset(*object);
        } catch (...) {
          delete object;
          from->give(nullptr);
          throw;
        }
      }
      from->give(object);
    }

    state* from_ = nullptr;
    T* object_ = nullptr;
  };

  /// Objects are made by `make`, and `reset`, unless empty, is called with each that comes back, on the thread where
  /// its loan ends. Errors: throws std::invalid_argument for an empty `make` and for a generation that is not positive.
  explicit object_pool(std::function<T()> make, std::function<void(T&)> reset = {}, const pool_options& options = {})
      : state_(new state(checked(std::move(make)), std::move(reset), options)) {}
  explicit object_pool(const pool_options& options = {}) requires std::default_initializable<T>
      : object_pool([] { return T(); }, {}, options) {}
  object_pool(const object_pool&) = delete;
  object_pool& operator=(const object_pool&) = delete;
  ~object_pool() { state_->close(); }

  /// An idle object or a new one.   Errors: what `make` throws, and std::bad_alloc.
  [[nodiscard]] loan get() {
    if (void* const idle = state_->take()) return loan(*state_, static_cast<T*>(idle));
    try {
      return loan(*state_, new T(state_->make()));
    } catch (...) {
      state_->give(nullptr);
      throw;
    }
  }

  /// Ends a loan, as its destructor does, for those who want to know whether that worked.
  /// Errors: throws std::logic_error, and the loan goes on, if it is empty or another pool's. Throws what reset throws;
  ///         the object is destroyed then.
  void put(loan&& ended) {
    if (ended.from_ != state_)
      throw std::logic_error(
          "tandem: a pool was given what it did not lend (an empty loan, or another pool's); let the loan end instead");
    ended.end();
  }

  /// Ends a generation now. Twice in a row destroys all that is idle.
  void trim() noexcept { state_->trim(); }

  /// How many objects are idle, in all threads' parts together.
  [[nodiscard]] std::size_t idle() const { return state_->idle(); }

 private:
  static std::function<T()> checked(std::function<T()> make) {
    if (!make) throw std::invalid_argument("tandem: an object_pool needs a function that makes objects");
    return make;
  }

  state* const state_;  // goes with the last loan, see pool_core
};

}  // namespace tandem::sync
