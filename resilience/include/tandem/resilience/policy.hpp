// policy: what all policies have in common, the list of them, and how to write one.
//
//   for (const policy_info& p : list_policies()) fmt::print("{:10} {:20} {}\n", p.kind, p.name, p.state);
//
// A policy of your own is a class derived from `policy` with a member
//
//   template <class T, class Next>
//   task<result<T>> around(const call& c, Next next) const {
//     …
//     result<T> outcome = co_await next(c);  // as often as it wants, also with a changed copy of `c`
//     …
//   }
//
// with a state, which its copies share, and which is what the list shows:
//
//   class counting_state : public detail::policy_state {
//    public:
//     counting_state() : policy_state("counting", "") {}
//     std::string settings() const override { return {}; }
//     std::string state() const override { return "fine"; }
//     std::vector<policy_counter> counters() const override { return {{"calls", calls.load()}}; }
//     std::atomic<std::uint64_t> calls{0};
//   };
//   class counting final : public policy {
//    public:
//     counting() : policy(std::make_shared<detail::listed<counting_state>>()) {}
//     …  // around(), where state_as<counting_state>() is the state
//   };
//
// `next` is a small value. `c`, and what is given to `next`, must outlive what is awaited. next.admits(c) tells whether
// the policies inside would let a call through right now. Member `bool admits(const call&) const` says so for yours.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/resilience/call.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::resilience {

/// A number of a policy, counted since it was made.
struct policy_counter {
  std::string_view name;  ///< A literal, e.g. "rejected".
  std::uint64_t value = 0;
  friend bool operator==(const policy_counter&, const policy_counter&) = default;
};

/// What a policy is and does, at some moment.
struct policy_info {
  std::string kind;      ///< E.g. "breaker".
  std::string name;      ///< As its options gave it, or else the kind and a number.
  std::string settings;  ///< Printed in a few words: "5 failures in a row, open for 100ms to 30s, per target".
  std::string state;     ///< One line, e.g. "3 of 4 closed, 17 rejected".
  std::vector<policy_counter> counters;
};

namespace detail {

/// The part of a policy that its copies share. It is on the list of policies as long as it lives.
class policy_state {
 public:
  /// No name: `kind` and a number are the name. `kind` is a literal.
  policy_state(const char* kind, std::string name);
  policy_state(const policy_state&) = delete;
  policy_state& operator=(const policy_state&) = delete;
  virtual ~policy_state();

  [[nodiscard]] const char* kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // Threads: any, for the three.
  [[nodiscard]] virtual std::string settings() const = 0;
  [[nodiscard]] virtual std::string state() const = 0;
  [[nodiscard]] virtual std::vector<policy_counter> counters() const = 0;

 protected:
  /// For the constructor and the destructor of the most derived class, which must be final: it is on the list in
  /// between.
  void enlist();
  void delist() noexcept;

 private:
  friend class policy_registry;
  const char* const kind_;
  const std::string name_;
  policy_state* previous_ = nullptr;  // guarded by the registry's lock, as the rest
  policy_state* next_ = nullptr;
  bool listed_ = false;
};

/// Puts a State on the list while it lives: so that nobody looks at a part of one.
template <std::derived_from<policy_state> State>
class listed final : public State {
 public:
  template <class... Args>
  explicit listed(Args&&... args) : State(std::forward<Args>(args)...) {
    this->enlist();
  }
  ~listed() override { this->delist(); }
};

}  // namespace detail

/// A policy: a handle, of which copies share the state. Make it once, where the client or the server is made, not for
/// each call: what it has learnt, or counts, is in it. retry_budget, singleflight and cache are policies for the list
/// alone; they have no around().
///
/// Threads: a policy may be used by any number of tasks, on several threads, at once.
class policy {
 public:
  [[nodiscard]] const std::string& name() const noexcept { return state_->name(); }
  [[nodiscard]] policy_info info() const;
  /// Kind and settings: "timeout(200ms)".
  friend std::string to_string(const policy& p);

  /// Of a policy that rejects nothing.
  [[nodiscard]] bool admits(const call&) const noexcept { return true; }

 protected:
  explicit policy(std::shared_ptr<detail::policy_state> state) noexcept : state_(std::move(state)) {}
  policy(const policy&) = default;
  policy(policy&&) = default;
  policy& operator=(const policy&) = default;
  policy& operator=(policy&&) = default;
  ~policy() = default;
  template <class State>
  [[nodiscard]] State& state_as() const noexcept {
    return static_cast<State&>(*state_);
  }

 private:
  std::shared_ptr<detail::policy_state> state_;
};

/// All policies there are in the process, in the order in which they were made.   Threads: any.
[[nodiscard]] std::vector<policy_info> list_policies();

/// What says that the one who was called is in trouble, rather than that the call was wrong, or was given up by the
/// caller: unknown, deadline_exceeded, timed_out, resource_exhausted, internal, unavailable, data_loss, overloaded.
/// This is what hedges count, and breakers, throttles and adaptive limits unless they are told otherwise. It does not
/// ask who said so: what a limit inside rejects is a failure too.
[[nodiscard]] bool is_failure_of_target(const error& e) noexcept;

}  // namespace tandem::resilience
