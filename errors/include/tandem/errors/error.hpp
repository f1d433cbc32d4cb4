// What went wrong: one pointer to an immutable chain of layers. Start at make_error() and wrap(); result.hpp carries
// errors out of functions, format.hpp prints them, layer.hpp looks inside.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <iosfwd>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <tandem/errors/errc.hpp>

namespace tandem {

class layer_view;

namespace detail {
struct error_access;

// The part of a layer that copying an error touches; the rest is in errors/src/layer.hpp.
struct error_node {
  static constexpr std::uint32_t immortal = 0;

  constexpr explicit error_node(std::uint32_t initial) noexcept : shares(initial) {}

  // (R1) The number of error objects and outer layers that point here; `immortal` never changes, because such a node
  // has static storage. Written by whoever copies or drops a share; orderings are argued at share() and drop().
  mutable std::atomic<std::uint32_t> shares;
};
}  // namespace detail

/// An error, or no error: a pointer to the outermost layer of a chain, null for none.
///
/// Each layer has a message, the place that added it, key/value fields, and perhaps a stack. Layers without a code of
/// their own take the code of what they wrap, so code() answers for the whole chain.
///
/// Owns:    a share of its layers. Copies share them; moving leaves "no error" behind.
/// Threads: as `int`: distinct objects, copies of each other included, may be used at once from any threads. Layers
///          never change once they are shared.
/// Errors:  making a layer may throw std::bad_alloc; nothing else here throws unless it says so.
class [[nodiscard]] error {
 public:
  /// No error.
  constexpr error() noexcept = default;

  error(const error& other) noexcept : top_(other.top_) { share(); }
  error(error&& other) noexcept : top_(std::exchange(other.top_, nullptr)) {}
  error& operator=(const error& other) noexcept {
    error(other).swap(*this);
    return *this;
  }
  error& operator=(error&& other) noexcept {
    error(std::move(other)).swap(*this);
    return *this;
  }
  ~error() {
    if (is_counted()) drop();
  }
  void swap(error& other) noexcept { std::swap(top_, other.top_); }

  /// True if there is an error.
  explicit operator bool() const noexcept { return top_ != nullptr; }

  /// The code of the outermost layer that has one of its own; errc::unknown for no error.
  [[nodiscard]] errc code() const noexcept;

  /// The messages of the chain, outermost first, separated by ": ". A root without a message reads as the name of its
  /// code. Empty for no error.
  [[nodiscard]] std::string message() const;

  /// True if some layer of the chain has this code of its own. A chain that was reclassified on its way is both what
  /// it became and what it was.
  [[nodiscard]] bool is(errc code) const noexcept;

  /// The outermost layer (include layer.hpp); an empty view for no error. The view borrows from this error.
  [[nodiscard]] layer_view first_layer() const noexcept;

  /// True if both say the same: equal code() and equal message(). Sites, fields and stacks do not count.
  friend bool operator==(const error& a, const error& b);

  /// True if there is an error and its code() is `code`; use is() to look through reclassified layers.
  friend bool operator==(const error& e, errc code) noexcept { return e && e.code() == code; }

 private:
  friend struct detail::error_access;

  // Takes over one share of `top`.
  explicit error(const detail::error_node* top) noexcept : top_(top) {}

  // relaxed: whether a node is immortal never changes (R1), so any value read gives the same answer.
  bool is_counted() const noexcept {
    return top_ != nullptr && top_->shares.load(std::memory_order_relaxed) != detail::error_node::immortal;
  }

  // relaxed: the new share is made from one that is held, so the count cannot reach zero meanwhile, and whoever
  // passes the copy to another thread synchronizes with it anyway. Nothing is published here.
  void share() const noexcept {
    if (is_counted()) top_->shares.fetch_add(1, std::memory_order_relaxed);
  }

  void drop() noexcept;

  const detail::error_node* top_ = nullptr;
};

/// Starts a chain, with the stack of the caller.
[[nodiscard]] error make_error(errc code, std::string message,
                               std::source_location where = std::source_location::current());

/// The shared error that says only `code`, e.g. "closed": for outcomes so frequent that they must cost nothing.
/// It has no site and no stack; wrap() adds both. A value outside the set gives errc::unknown.
///
/// Memory: never allocates; copies and drops write no shared memory.
[[nodiscard]] error error_of(errc code) noexcept;

/// Adds a layer that says what was being done, and the stack of the caller if the chain has none yet. A stack that
/// came from another process (layer.hpp) is not one of ours: the first wrap() here records where it arrived.
/// Wrapping no error gives no error.
[[nodiscard]] error wrap(error inner, std::string message,
                         std::source_location where = std::source_location::current());

/// wrap(), and the chain's code is `code` from here on; is() still finds the old one.
[[nodiscard]] error wrap(error inner, errc code, std::string message,
                         std::source_location where = std::source_location::current());

/// wrap() without a stack, for paths where errors are frequent.
[[nodiscard]] error with_message(error inner, std::string message,
                                 std::source_location where = std::source_location::current());

/// Adds a field to the outermost layer. Fields are for machines and logs: they are not part of message(). A key given
/// twice is kept twice, in order. No error stays no error.
///
/// Memory: in place if `e` is the only share (pass an rvalue), otherwise one copy of the outermost layer.
[[nodiscard]] error with(error e, std::string key, std::string value);

/// The innermost layer on its own: what the chain is about. Shares the layer; no error gives no error.
[[nodiscard]] error cause(const error& e) noexcept;

/// e.is(code).
[[nodiscard]] inline bool is(const error& e, errc code) noexcept { return e.is(code); }

/// e.code().
[[nodiscard]] inline errc errc_of(const error& e) noexcept { return e.code(); }

/// Carries an error through code that reports by exceptions; from_exception() takes it out again.
class error_exception : public std::exception {
 public:
  explicit error_exception(error e);
  error_exception(const error_exception&) noexcept = default;
  error_exception& operator=(const error_exception&) noexcept = default;
  ~error_exception() override;

  /// The error's message().
  [[nodiscard]] const char* what() const noexcept override;
  [[nodiscard]] const error& get() const noexcept { return error_; }

 private:
  error error_;
  error text_;  // one layer whose message is the text of what(): sharing it keeps copies from throwing
};

/// The error that an exception stands for: the one inside an error_exception (errc::internal if that holds none),
/// errc::resource_exhausted for std::bad_alloc, errc::internal for anything else. The message is the exception's
/// type and what(). The stack is that of the caller, as the one of the throw is gone. A null pointer gives no error.
///
/// Errors: never throws; without memory for the message the result is error_of() the same code.
[[nodiscard]] error from_exception(std::exception_ptr exception,
                                   std::source_location where = std::source_location::current()) noexcept;

/// Writes what fmt's "{}" writes; see format.hpp.
std::ostream& operator<<(std::ostream& out, const error& e);

}  // namespace tandem
