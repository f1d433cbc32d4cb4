// Where the tests of CAF's own actors run: on workers, and in simulated time. Past the making of a system they use
// CAF's API alone.
#pragma once
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <string>

#include <tandem/actors/caf.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::actors {

/// The actors run on two workers, the test waits on its own thread.
class on_workers {
 public:
  [[nodiscard]] caf::actor_system& caf() noexcept { return caf_system(system_); }

  /// What an actor puts into `box`.   Errors: throws if nothing comes for ten seconds.
  template <class T>
  T get(std::promise<T>& box) {
    auto outcome = box.get_future();
    if (outcome.wait_for(std::chrono::seconds(10)) != std::future_status::ready)
      throw std::runtime_error("no actor has answered the test");
    return outcome.get();
  }

 private:
  runtime runtime_{runtime_options{2, 4, std::chrono::seconds(10)}};
  system system_{runtime_};
};

/// The actors run on the test's thread while it waits, and the clock moves when there is nothing else to do.
class in_simulation {
 public:
  [[nodiscard]] caf::actor_system& caf() noexcept { return caf_system(system_); }
  [[nodiscard]] testing::sim_runtime& sim() noexcept { return sim_; }

  template <class T>
  T get(std::promise<T>& box) {
    auto outcome = box.get_future();
    sim_.run_to_end();
    if (outcome.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      throw std::runtime_error("no actor has answered the test");
    return outcome.get();
  }

 private:
  testing::sim_runtime sim_;
  system system_{sim_};
};

/// Names the two in test names.
struct place_names {
  template <class T>
  static std::string GetName(int) {
    return std::is_same_v<T, on_workers> ? "OnWorkers" : "InSimulation";
  }
};
using both_places = ::testing::Types<on_workers, in_simulation>;

/// A test that runs in both: `this->place` is where.
template <class Place>
class caf_test : public ::testing::Test {
 protected:
  [[nodiscard]] caf::actor_system& caf() noexcept { return place.caf(); }
  template <class T>
  T get(std::promise<T>& box) {
    return place.get(box);
  }
  Place place;
};

inline caf::behavior adder(caf::event_based_actor*) {
  return {[](int a, int b) { return a + b; }};
}

inline caf::behavior echo(caf::event_based_actor*) {
  return {[](int n) { return n; }};
}

/// Never answers.
inline caf::behavior silent(caf::event_based_actor* self) {
  return {[self](int) { (void)self->make_response_promise(); }};
}

}  // namespace tandem::actors
