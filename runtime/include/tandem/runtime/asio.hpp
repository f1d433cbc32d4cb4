// Asio on the runtime: operations on sockets, signals and the like that a task awaits.
//
//   task<result<void>> serve(tcp::socket peer) {
//     std::array<char, 4096> data;
//     for (;;) {
//       const std::size_t n = co_await or_return(peer.async_read_some(asio::buffer(data), use_task));
//       co_await or_return(asio::async_write(peer, asio::buffer(data, n), use_task));
//     }
//   }
//
// The rest of Asio is included as usual; who includes this header needs standalone Asio 1.22.
#pragma once
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <asio/async_result.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/query.hpp>

#include <tandem/errors/error_code.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/io_wait.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem {

/// The completion token that makes an asynchronous operation of Asio one that a task awaits. What co_await gives
/// follows from the operation's signature:
///
/// | signature                                  | gives                     |
/// |--------------------------------------------|---------------------------|
/// | void(), void(error_code)                   | result<void>              |
/// | void(T), void(error_code, T)               | result<T>                 |
/// | void(T, U), void(error_code, T, U)         | result<std::tuple<T, U>>  |
/// | void(exception_ptr), void(exception_ptr, T) | as with an error_code    |
///
/// asio::experimental::as_tuple(use_task) gives result<std::tuple<error_code, T>>, and so keeps what an operation gave
/// besides an error, such as the number of bytes that async_read() had read before the end.
///
/// Owns:     nothing: objects and buffers must outlive the co_await, as the operation's own description has it. So no
///           task destroys an object that another one waits for: end that one's context, and join it.
/// Threads:  the object must be of the io() of the runtime whose task awaits. As always with Asio one object is for one
///           task at a time, and that includes close(). But two tasks may wait for it at once, say one to read and one
///           to write, if it is a socket of which `non_blocking(true)` was called first: then operations do not change
///           it.
/// Suspends: until the operation's handler has run, which a worker does as soon as one sleeps or finds nothing else to
///           do, within some 50 us between tasks, and after 4 ms at most if one computes for long and another one
///           sleeps. The operation starts with the co_await, not before.
/// Cancel:   asks the operation, and nothing else, to end; the object stays open and usable. The task goes on when it
///           has ended, so that its buffers are free. An operation that was faster gives its outcome. One of several
///           steps, such as asio::async_write(), may have done some of them; close a socket whose connect was
///           cancelled, as the kernel may go on with it. What knows no cancellation of single operations ends when it
///           ends: async_resolve(), for which there is resolve(), and what forwards no cancellation slot.
/// Errors:   errc::cancelled, errc::deadline_exceeded with the context's cause; otherwise the operation's own, whose
///           error_code is kept (`e.as<std::error_code>()`):
///
/// | code                                              | errc               | meaning                                      |
/// |---------------------------------------------------|--------------------|----------------------------------------------|
/// | asio::error::eof                                  | closed             | the peer has closed its side: no more bytes  |
/// | ECONNREFUSED, ECONNRESET, EPIPE, EHOSTUNREACH …   | unavailable        | there is no peer, or no longer               |
/// | ETIMEDOUT                                         | timed_out          | it does not answer                           |
/// | EMFILE, ENFILE, ENOBUFS, ENOSPC, ENOMEM           | resource_exhausted | a limit is reached; an accept may be repeated |
/// | operation_aborted, the context not over           | aborted            | close() or cancel() was called on the object |
/// | EBADF, EADDRINUSE, ENOTCONN, EISCONN              | failed_precondition | the object is not open, not connected, …    |
/// | ENOENT, host_not_found, service_not_found         | not_found          | nobody is called that                        |
/// | host_not_found_try_again, no_recovery             | unavailable        | the name could not be looked up              |
/// | others                                            | errc_of(error_code) |                                             |
///
///           Throws std::logic_error for an object of another io_context and an operation that was awaited before, and
///           what starting the operation throws.
///
/// Two things Asio leaves to the program: writing to a pipe (posix::stream_descriptor) that nobody reads any more raises
/// SIGPIPE, which ends a program that does not ignore it; sockets do not. And a handler of your own on io(), without
/// use_task, that throws ends the program.
struct use_task_t {};
inline constexpr use_task_t use_task{};

namespace detail {

// What a value of several parts is.
template <class... Values>
struct io_value {
  using type = std::tuple<Values...>;
  static type make(Values&&... values) { return type(std::move(values)...); }
};
template <class Value>
struct io_value<Value> {
  using type = Value;
  static type make(Value&& value) { return std::move(value); }
};
template <>
struct io_value<> {
  using type = void;
  static void make() noexcept {}
};

// What the arguments of a handler say: the error, if there can be one, and the rest.
template <class... Args>
struct io_arguments {
  using value = io_value<Args...>;
  static std::nullptr_t failure(const Args&...) noexcept { return nullptr; }
  static typename value::type take(Args&&... args) { return value::make(std::move(args)...); }
};
template <class... Args>
struct io_arguments<std::error_code, Args...> {
  using value = io_value<Args...>;
  static const std::error_code& failure(const std::error_code& code, const Args&...) noexcept { return code; }
  static typename value::type take(std::error_code&&, Args&&... args) { return value::make(std::move(args)...); }
};
template <class... Args>
struct io_arguments<std::exception_ptr, Args...> {
  using value = io_value<Args...>;
  static const std::exception_ptr& failure(const std::exception_ptr& e, const Args&...) noexcept { return e; }
  static typename value::type take(std::exception_ptr&&, Args&&... args) { return value::make(std::move(args)...); }
};

[[nodiscard]] inline error io_failure(std::nullptr_t, task_record&) noexcept { return {}; }
[[nodiscard]] inline error io_failure(const std::exception_ptr& thrown, task_record&) {
  return thrown ? from_exception(thrown) : error();
}
[[nodiscard]] inline error io_failure(const std::error_code& code, task_record& task) {
  if (!code) return {};
  if (errc_of(code) == errc::cancelled && context_over(task)) return context_error(task);
  return io_error(code);
}

/// For what Asio allocates for an operation.
template <class T>
struct io_allocator {
  using value_type = T;
  io_allocator() = default;
  template <class U>
  io_allocator(const io_allocator<U>&) noexcept {}  // NOLINT: allocators convert
  [[nodiscard]] T* allocate(std::size_t n) {
    static_assert(pool_aligned<T>, "a handler cannot be aligned more strictly than operator new aligns");
    return static_cast<T*>(pool_allocate(n * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t n) noexcept { pool_free(memory, n * sizeof(T)); }
  template <class U>
  friend bool operator==(const io_allocator&, const io_allocator<U>&) noexcept {
    return true;
  }
};

/// The outcome's way from Asio to the task.
template <class... Args>
class io_outcome : protected io_wait {
 public:
  /// Nothing of it is destroyed: an io_context that goes drops handlers whose frames are gone.
  class handler {
   public:
    using cancellation_slot_type = asio::cancellation_slot;
    using allocator_type = io_allocator<void>;
    explicit handler(io_outcome& to) noexcept : to_(&to) {}
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return to_->signal_.slot(); }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return {}; }
    void operator()(Args... args) const {
      to_->arrived_.emplace(std::move(args)...);
      to_->complete();
    }

   private:
    io_outcome* to_;
  };

 protected:
  io_outcome() noexcept
      : io_wait([](io_wait& self) noexcept {
          static_cast<io_outcome&>(self).signal_.emit(asio::cancellation_type::all);
        }) {}
  ~io_outcome() = default;

  using arguments = io_arguments<Args...>;
  using value = typename arguments::value::type;

  result<value> take() {
    if (!finish()) return fail(context_error(task()));
    const auto failure = [this](const Args&... args) { return io_failure(arguments::failure(args...), task()); };
    if (error e = std::apply(failure, *arrived_)) return fail(std::move(e));
    if constexpr (std::is_void_v<value>) {
      return {};
    } else {
      return std::apply([](Args&... args) { return arguments::take(std::move(args)...); }, *arrived_);
    }
  }

 private:
  asio::cancellation_signal signal_;
  std::optional<std::tuple<Args...>> arrived_;
};

template <class Signature, class Initiation, class... Inits>
class io_operation;

/// An operation that starts when it is awaited: by calling the initiation with a handler and `inits`.
template <class... Args, class Initiation, class... Inits>
class [[nodiscard]] io_operation<void(Args...), Initiation, Inits...> : public awaitable_base, io_outcome<Args...> {
  using outcome = io_outcome<Args...>;

 public:
  template <class I, class... In>
  explicit io_operation(I&& initiation, In&&... inits)
      : initiation_(std::forward<I>(initiation)), inits_(std::forward<In>(inits)...) {}

  bool await_ready() const noexcept { return false; }
  template <std::derived_from<promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) {
    return start(suspend_here(self, *this));
  }
  result<typename outcome::value> await_resume() { return this->take(); }

 private:
  bool start(task_record& task) {
    this->check(task, context_of(initiation_));
    if (!this->begin(task)) return this->park_without();
    try {
      std::apply(
          [this](Inits&... inits) {
            std::move(initiation_)(typename outcome::handler(*this), std::move(inits)...);
          },
          inits_);
    } catch (...) {
      this->withdraw();
      throw;
    }
    return this->park();
  }

  static const asio::execution_context* context_of(const Initiation& i) noexcept {
    if constexpr (requires { asio::query(i.get_executor(), asio::execution::context); }) {
      return &static_cast<const asio::execution_context&>(asio::query(i.get_executor(), asio::execution::context));
    } else {
      return nullptr;
    }
  }

  Initiation initiation_;
  std::tuple<Inits...> inits_;
};

}  // namespace detail

namespace this_task {

/// The io() of the runtime the caller runs on.
/// Errors: throws std::logic_error outside of tasks, and as runtime::io() does.
[[nodiscard]] asio::io_context& io();

}  // namespace this_task

/// Looks `host` and `service` up on the blocking pool: "example.org" and "https", "::1" and "443". Unlike
/// async_resolve(), which waits for its answer whatever happens.
///
/// Cancel: leaves the lookup, which runs to its end.
/// Errors: as use_task; those of run_blocking().
[[nodiscard]] task<result<asio::ip::tcp::resolver::results_type>> resolve(std::string host, std::string service);

}  // namespace tandem

template <class... Args>
struct asio::async_result<tandem::use_task_t, void(Args...)> {
  template <class Initiation, class... Inits>
  static auto initiate(Initiation&& initiation, tandem::use_task_t, Inits&&... inits) {
    return tandem::detail::io_operation<void(std::decay_t<Args>...), std::decay_t<Initiation>, std::decay_t<Inits>...>(
        std::forward<Initiation>(initiation), std::forward<Inits>(inits)...);
  }
};
