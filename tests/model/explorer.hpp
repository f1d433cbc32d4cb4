// Runs a small scenario of the runtime's real code in every order that its threads could take, and some more.
//
// Threads are fibers; each operation on one of the model's atomics (tandem_model/sync.hpp) is a step before which
// another fiber may go on. explore() repeats the scenario depth first over all such choices.
//
// Memory is that of C++, by views: every store is kept, and a load may return any value that is not older than what its
// fiber has seen; acquire, release and seq_cst operations and fences hand views on. Simplified: a store is the newest
// value of its word at once (so two relaxed stores are ordered as they were executed), a failing compare-exchange reads
// the newest value, and a load never returns a value of the future.
//
// Spinning: a fiber that pauses goes on once another has written, and reads newest values then. So loops end, and a
// fiber that waits for a value nobody writes any more counts as blocked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <tandem_model/memory.hpp>

namespace tandem::model {

/// A line of the code under test, by what it does.
struct site {
  step what{};
  order with{};
  std::string file;  // without folders
  unsigned line = 0;
  unsigned column = 0;
  bool operator==(const site&) const = default;
  [[nodiscard]] std::string text() const;
};

/// One mistake, put into the code under test at one of its sites.
struct mutation {
  enum class kind : std::uint8_t {
    none,
    drop,    // a fence or a wake does nothing
    relax,   // the operation orders nothing
    tear,    // the read-modify-write is a load and a store
    delay,   // the store takes place a dozen of the fiber's steps later, or before it sleeps or ends
    freeze,  // the load returns the word's first value
    blind,   // the futex sleeps whatever the word is
  };
  kind what = kind::none;
  site at;
};

struct options {
  /// A switch away from a fiber that could go on costs one of these, as does the end of a sleep while others could go
  /// on. Negative: any number of switches, and of orders that differ only in independent steps one (sleep sets).
  int preemptions = 2;
  /// A load that returns an old value costs one of these. 0: sequential consistency.
  int old_values = 2;
  /// A sleep with a limit of at most this much may end by itself, and does when nothing else can go on. Any other is
  /// for ever: somebody must end it, or the execution fails as a deadlock.
  duration longest_sleep{-1};
  std::size_t most_executions = 5'000'000;
  std::size_t most_steps = 2'000;  // of one execution: more is a livelock
  mutation mistake{};
};

struct outcome {
  std::string failure;  // empty: none was found
  std::string trace;    // the failing execution, a line for each step
  std::vector<unsigned> choices;
  std::size_t executions = 0;
  bool complete = false;  // everything within the bounds was tried
  std::vector<site> sites;
};

/// Where a scenario says what its threads do.
class world {
 public:
  /// A thread. Bodies keep what they use: their captures live until the execution is over.
  void thread(std::string name, std::function<void()> body);
  /// Checks once all threads have ended.
  void finally(std::function<void()> check);

  struct part {
    std::string name;
    std::function<void()> body;
  };
  std::vector<part> threads;
  std::vector<std::function<void()>> checks;
};

/// Ends the execution, and the exploration, as a failure.
void fail(const std::string& what);
inline void check(bool ok, const char* what) {
  if (!ok) fail(what);
}

outcome explore(const options& how, const std::function<void(world&)>& scenario);

/// Runs the one execution that `choices` describes.
outcome replay(const options& how, const std::function<void(world&)>& scenario, std::vector<unsigned> choices);

/// A word that atomics are to protect (plain_read).
class plain {
 public:
  void set(std::uint64_t value, where at = where::current()) { plain_write(object_.id(0), value, at); }
  [[nodiscard]] std::uint64_t get(where at = where::current()) const { return plain_read(object_.id(0), at); }

 private:
  object object_;
};

}  // namespace tandem::model
