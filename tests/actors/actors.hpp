// Actors that several tests use.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <tandem/actors/system.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors {

struct add {
  std::int64_t n;
};
struct get {};

/// Adds up what it is told.
class counter {
 public:
  using protocol = actors::protocol<void(add), std::int64_t(get)>;
  void on(add m) { sum_ += m.n; }
  std::int64_t on(get) const { return sum_; }

 private:
  std::int64_t sum_ = 0;
};

struct hold {};  // waits until released
struct note {
  int n;
};

/// Writes down what it is told. A hold keeps it busy until the gate opens, or its context ends.
class recorder {
 public:
  using protocol = actors::protocol<void(hold), void(note)>;
  struct state {
    bool open = false;
    bool holding = false;
    std::vector<int> seen;
    error hold_ended;
    bool destroyed = false;
  };
  explicit recorder(state& s) : state_(s) {}
  ~recorder() { state_.destroyed = true; }
  recorder(const recorder&) = delete;
  recorder& operator=(const recorder&) = delete;

  task<> on(hold) {
    state_.holding = true;
    while (!state_.open) {
      auto slept = co_await sleep_for(std::chrono::milliseconds(1));
      if (!slept) {
        state_.hold_ended = slept.error();
        break;
      }
    }
    state_.holding = false;
  }
  void on(note m) { state_.seen.push_back(m.n); }

 private:
  state& state_;
};

}  // namespace tandem::actors
