// Kinds: errors with a name of their own, finer than an errc and stable across releases, languages and machines.
//
//   inline const kind no_such_user("shop.no_such_user", errc::not_found, "There is no such user.");
//
//   return fail(no_such_user, fmt::format("no user {}", id));   // its short code does not depend on the id
//   if (e.is(no_such_user)) ...                                 // also if it was made on another node
#pragma once
#include <string>
#include <string_view>

#include <tandem/errors/errc.hpp>

namespace tandem {

/// Text that lives as long as the program: made from a string literal.
class static_text {
 public:
  /*implicit*/ consteval static_text(const char* literal) noexcept : text_(literal) {}
  [[nodiscard]] constexpr std::string_view view() const noexcept { return text_; }

 private:
  std::string_view text_;
};

/// A declared kind of error.
///
/// Declare kinds as namespace-scope constants: each enters a list of the process when it is made and leaves it when it is
/// destroyed, so that kinds whose short codes collide are found at start-up (kind_registry.hpp). Two kinds with one key
/// are the same kind.
/// Not to be used before main() outside of the file that declares it: it may not have been made yet.
/// Threads: any.
class kind {
 public:
  /// `key` is what identifies the kind everywhere, for ever: "module.what_happened", no numbers or names of the
  /// occasion. `public_text` is what public_message() tells strangers; empty: what it tells of any error.
  kind(static_text key, errc code, static_text public_text = "");
  kind(const kind&) = delete;
  kind& operator=(const kind&) = delete;
  ~kind();

  [[nodiscard]] std::string_view key() const noexcept { return key_; }
  [[nodiscard]] errc code() const noexcept { return code_; }
  [[nodiscard]] std::string_view public_text() const noexcept { return public_text_; }

  friend bool operator==(const kind& a, const kind& b) noexcept { return a.key_ == b.key_; }

 private:
  friend struct kind_list;

  std::string_view key_;
  std::string_view public_text_;
  errc code_;
  // Neighbours in the process's list; guarded by its lock.
  kind* previous_ = nullptr;
  kind* next_ = nullptr;
};

}  // namespace tandem
