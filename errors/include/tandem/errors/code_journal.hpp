// What the codes that were given out stand for: the latest error of each.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tandem/errors/error.hpp>

namespace tandem {

struct journal_options {
  /// How many codes are kept. 0: none.
  std::size_t capacity = 1024;
  /// Roughly the most bytes that the error of one code may hold, beside its payloads; a larger one is kept shortened.
  /// Less than 4096 counts as 4096.
  std::size_t max_entry_bytes = 16 * 1024;
  /// Where first_seen and last_seen come from; empty: the system's clock. Called under the journal's lock.
  std::function<std::chrono::system_clock::time_point()> now;
};

/// What a journal knows of one code.
struct code_entry {
  std::string code;
  error latest;              // the last error with this code
  bool shortened = false;    // `latest` was too large: texts are cut, layers and causes left out, payloads dropped
  std::uint64_t count = 0;   // errors with this code since it entered the journal
  std::chrono::system_clock::time_point first_seen;
  std::chrono::system_clock::time_point last_seen;
};

/// Maps short codes back to errors.
///
/// Bounded in codes and in bytes per code: when it is full, the code that was not seen for longest goes, and counts
/// from one if it comes back.
/// Owns:    shares of the errors, their payloads included, until a newer one with the code comes or the code goes.
/// Threads: every member may be called from any thread at any time. Nothing is formatted, looked up or destroyed under
///          the lock.
class code_journal {
 public:
  explicit code_journal(journal_options options = {});
  code_journal(const code_journal&) = delete;
  code_journal& operator=(const code_journal&) = delete;

  /// Enters the error and returns its short_code(). No error is not entered, and has an empty code. An error above the
  /// limit has the names of its stack looked up, which may take a tenth of a second the first time.
  /// Errors: as short_code().
  std::string record(const error& e);

  /// What is known of a code as a person typed it (normalise_code()); none if that is nothing.
  [[nodiscard]] std::optional<code_entry> find(std::string_view typed) const;

  /// All entries, the one seen last first.
  [[nodiscard]] std::vector<code_entry> snapshot() const;

  /// How many codes had to go for others.
  [[nodiscard]] std::uint64_t evicted() const;

  /// Roughly what the errors hold, beside their payloads: at most capacity times max_entry_bytes.
  [[nodiscard]] std::size_t held_bytes() const;

  /// The journal as JSON, one line for each entry, in the order of snapshot():
  ///
  ///   {"evicted":0,"codes":[
  ///   {"code":"30EV","count":2,"first_seen":"2024-05-01T12:00:00.000Z","last_seen":…,"message":…,"errc":…,
  ///    "kind":…,"shortened":true,"layers":[{"message":…,"errc":…,"kind":…,"file":…,"line":…,"function":…,
  ///    "node":…,"fields":[{"key":…,"value":…}],"stack":[…],"causes":[[layers…]…],"causes_left_out":…}…]}
  ///   ]}
  ///
  /// Layers stand outermost first. What a layer or an entry lacks is left out. Sensitive values read "(sensitive)", and
  /// what is not UTF-8 becomes U+FFFD. Joins below 32 others have their causes counted only. Looks up the names of
  /// stacks: this is for diagnosis, not for every request.
  [[nodiscard]] std::string dump_json() const;
  void dump_json(std::ostream& out) const;

 private:
  struct held_entry {
    code_entry entry;
    std::size_t bytes;
  };
  using entry_list = std::list<held_entry>;

  // Constant.
  const std::size_t capacity_;
  const std::size_t max_entry_bytes_;
  const std::function<std::chrono::system_clock::time_point()> now_;

  mutable std::mutex lock_;
  // Guarded by lock_.
  entry_list entries_;  // the one seen last first
  std::unordered_map<std::string, entry_list::iterator> by_code_;
  std::size_t held_bytes_ = 0;
  std::uint64_t evicted_ = 0;
};

/// The journal that public_message() writes to, with the default options. Never destroyed.
[[nodiscard]] code_journal& process_journal();

}  // namespace tandem
