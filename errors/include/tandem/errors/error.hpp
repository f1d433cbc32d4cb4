// What went wrong: one pointer to an immutable chain of layers. Start at make_error() and wrap(); result.hpp carries
// errors out of functions, format.hpp prints them, layer.hpp looks inside.
#pragma once
#include <any>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <source_location>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include <tandem/errors/errc.hpp>
#include <tandem/errors/kind.hpp>

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

/// What messages, keys and values are given as: whatever a string can be made of. A null pointer reads "(null)". Any
/// bytes will do, embedded nulls and broken UTF-8 included: what prints or sends them escapes what it must.
class message_text {
 public:
  /*implicit*/ message_text(std::string text) noexcept : text_(std::move(text)) {}
  /*implicit*/ message_text(std::string_view text) : text_(text) {}
  /*implicit*/ message_text(const char* text) : text_(text != nullptr ? text : "(null)") {}

  [[nodiscard]] std::string take() && noexcept { return std::move(text_); }

 private:
  std::string text_;
};

/// An error, or no error: a pointer to the outermost layer of a chain, null for none.
///
/// Each layer has a message, the place that added it, key/value fields, and perhaps a kind, a stack, a payload. Layers
/// without a code of their own take the code of what they wrap, so code() answers for the whole chain. A layer made by
/// join() has several causes, which makes the chain a tree; the first cause stands for all where one is asked for.
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

  /// The messages of the chain as they were given, control characters included (format.hpp escapes), outermost first, separated by ": ". A root without a message reads as the name of its
  /// code; joined causes stand in brackets, separated by "; ". Empty for no error.
  [[nodiscard]] std::string message() const;

  /// The key of the kind that code() comes from: of the outermost layer with a code of its own, below joins in the first
  /// cause. Empty if that layer is of no kind. Borrows from this error.
  [[nodiscard]] std::string_view kind_key() const noexcept;

  /// True if some layer of the chain has this code of its own. A chain that was reclassified on its way is both what
  /// it became and what it was. Constant time.
  [[nodiscard]] bool is(errc code) const noexcept;

  /// True if some layer of the chain is of this kind, wherever it was made.
  [[nodiscard]] bool is(const kind& which) const;

  /// True if some layer of the chain says the same as the outermost layer of `sentinel`: is of the same kind or, if the
  /// sentinel has none, has the same code and message. False if either is no error.
  [[nodiscard]] bool is(const error& sentinel) const;

  /// The outermost payload of exactly this type, in a tree the first one from the left; null if there is none. Borrows
  /// from this error.
  template <class T>
  [[nodiscard]] const T* as() const {
    return std::any_cast<T>(payload(typeid(T)));
  }

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

  // The outermost payload of this type, or null.
  const std::any* payload(const std::type_info& type) const;

  const detail::error_node* top_ = nullptr;
};

/// Starts a chain, with the stack of the caller.
[[nodiscard]] error make_error(errc code, message_text message,
                               std::source_location where = std::source_location::current());

/// make_error() with the code of the kind.
[[nodiscard]] error make_error(const kind& which, message_text message,
                               std::source_location where = std::source_location::current());

/// An error to compare with: `inline const error end_of_file = make_sentinel(errc::out_of_range, "end of file");`, then
/// `return fail(end_of_file)` and `e.is(end_of_file)`. It has no site and no stack, which would be those of the program's
/// start; wrap() adds both. A kind does the same and has a stable short code besides.
[[nodiscard]] error make_sentinel(errc code, message_text message);

/// The shared error that says only `code`, e.g. "closed": for outcomes so frequent that they must cost nothing.
/// It has no site and no stack; wrap() adds both. A value outside the set gives errc::unknown.
///
/// Memory: never allocates; copies and drops write no shared memory.
[[nodiscard]] error error_of(errc code) noexcept;

/// Adds a layer that says what was being done, and the stack of the caller if the chain has none yet. A stack that
/// came from another process (layer.hpp) is not one of ours: the first wrap() here records where it arrived.
/// Wrapping no error gives no error.
[[nodiscard]] error wrap(error inner, message_text message,
                         std::source_location where = std::source_location::current());

/// wrap(), and the chain's code is `code` and its kind none from here on; is() still finds the old ones.
[[nodiscard]] error wrap(error inner, errc code, message_text message,
                         std::source_location where = std::source_location::current());

/// wrap(), and the chain is of this kind, with its code, from here on; is() still finds the old ones.
[[nodiscard]] error wrap(error inner, const kind& which, message_text message,
                         std::source_location where = std::source_location::current());

/// wrap() without a stack, for paths where errors are frequent.
[[nodiscard]] error with_message(error inner, message_text message,
                                 std::source_location where = std::source_location::current());

/// Adds a field to the outermost layer. Fields are for machines and logs: they are not part of message(). A key given
/// twice is kept twice, in order. No error stays no error.
///
/// Memory: in place if `e` is the only share (pass an rvalue), otherwise one copy of the outermost layer.
[[nodiscard]] error with(error e, message_text key, message_text value);

/// with(), for a value that must not leave the process: only layer.hpp gives it out; printed, sent and journalled the
/// field reads "(sensitive)".
[[nodiscard]] error with_sensitive(error e, message_text key, message_text value);

/// Attaches a value to the outermost layer, for as<T>() to find; it replaces the layer's earlier payload. Payloads stay in
/// the process. T must be copyable. No error stays no error.
///
/// Memory: as with().
template <class T>
[[nodiscard]] error with_payload(error e, T value);

/// At most this many roots does a tree of causes have; see join().
inline constexpr std::size_t max_joined_roots = 1024;

/// One error for several that happened side by side. What is no error is left out; of one error is that error, of none no
/// error. Causes that are nothing but joins give their own causes instead, so joining one after the other makes one flat
/// list. The code is that of the first cause; is() and as() look into all of them.
///
/// Causes with which the tree would have more than max_joined_roots roots, 65536 layers or 64 MiB of messages, counting
/// shared ones as often as they can be reached, are dropped, all but the first; the message counts them, "and 7 more", and
/// is(errc) knows their codes.
/// As layers never change, a chain cannot come to contain itself.
///
/// Memory: joining to an rvalue that is a join already adds in place.
[[nodiscard]] error join(std::vector<error> causes, std::source_location where = std::source_location::current());
[[nodiscard]] error join(error first, error second, std::source_location where = std::source_location::current());

/// The innermost layer on its own: what the chain is about; of joined causes, the layer that joins them. Shares the layer;
/// no error gives no error.
[[nodiscard]] error cause(const error& e) noexcept;

/// e.is(code).
[[nodiscard]] inline bool is(const error& e, errc code) noexcept { return e.is(code); }
/// e.is(which).
[[nodiscard]] inline bool is(const error& e, const kind& which) { return e.is(which); }
/// e.is(sentinel).
[[nodiscard]] inline bool is(const error& e, const error& sentinel) { return e.is(sentinel); }
/// e.as<T>().
template <class T>
[[nodiscard]] const T* as(const error& e) {
  return e.as<T>();
}

/// e.code().
[[nodiscard]] inline errc errc_of(const error& e) noexcept { return e.code(); }

namespace detail {
[[nodiscard]] error with_any(error e, std::any payload);
}

template <class T>
error with_payload(error e, T value) {
  return detail::with_any(std::move(e), std::any(std::in_place_type<T>, std::move(value)));
}

/// Writes what fmt's "{}" writes; see format.hpp.
std::ostream& operator<<(std::ostream& out, const error& e);

}  // namespace tandem
