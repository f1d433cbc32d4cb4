// Power series by channels: a series is a task that gives its next coefficient when asked for it. A series may be
// defined by itself, as e^x is by its integral: then the channels form a ring.
#include <tandem/csp/channel.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <numeric>
#include <ostream>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/any_arm.hpp>
#include <tandem/csp/group.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::csp {
namespace {

/// A fraction in lowest terms.   Errors: throws std::overflow_error instead of being wrong.
class rational {
 public:
  /*implicit*/ rational(std::int64_t n = 0, std::int64_t d = 1) : n_(n), d_(d) {
    const std::int64_t common = std::gcd(n_, d_) * (d_ < 0 ? -1 : 1);
    n_ /= common;
    d_ /= common;
  }
  friend rational operator+(const rational& a, const rational& b) {
    const std::int64_t common = std::gcd(a.d_, b.d_);
    std::int64_t sum = 0;
    if (__builtin_add_overflow(product(a.n_, b.d_ / common), product(b.n_, a.d_ / common), &sum))
      throw std::overflow_error("a sum of fractions");
    return rational(sum, product(a.d_, b.d_ / common));
  }
  friend rational operator*(const rational& a, const rational& b) {
    const rational left(a.n_, b.d_);
    const rational right(b.n_, a.d_);
    return rational(product(left.n_, right.n_), product(left.d_, right.d_));
  }
  friend bool operator==(const rational&, const rational&) = default;
  friend void PrintTo(const rational& r, std::ostream* out) { *out << r.n_ << '/' << r.d_; }

 private:
  static std::int64_t product(std::int64_t a, std::int64_t b) {
    std::int64_t p = 0;
    if (__builtin_mul_overflow(a, b, &p)) throw std::overflow_error("a product of fractions");
    return p;
  }

  std::int64_t n_, d_;
};

/// The end of who reads. At most one request is under way, so that to ask never waits.
struct series {
  sender<std::monostate> asks;
  receiver<rational> coefficients;
};
struct source {
  receiver<std::monostate> requests;
  sender<rational> answers;
};

std::pair<source, series> make_series() {
  auto [asks, requests] = make_channel<std::monostate>(1);
  auto [answers, coefficients] = make_channel<rational>(1);
  return {source{std::move(requests), std::move(answers)}, series{std::move(asks), std::move(coefficients)}};
}

task<result<rational>> next_of(const series& s) {
  co_await or_return(s.asks.send(std::monostate()));
  co_return co_await s.coefficients.recv();
}

/// Answers each request by a call of `next`, until nobody can ask any more.
template <class Next>
task<result<void>> serve(source end, Next next) {
  while (auto asked = co_await end.requests.recv()) {
    const rational value = co_await or_return(next());
    if (auto placed = co_await end.answers.send(value); !placed) break;
  }
  co_return result<void>();
}

/// Gives all of `of` to each of `readers`. It goes on answering from what it has while it waits for more: in a ring,
/// the next coefficient may depend on a reader that has not got the last one yet.
task<result<void>> copy_to(series of, std::vector<source> readers) {
  struct reader {
    explicit reader(source&& s) : end(std::move(s)) {}
    source end;
    std::deque<rational> ahead;
    bool waits = false;
  };
  std::vector<reader> all;
  for (source& each : readers) all.emplace_back(std::move(each));
  readers.clear();  // the copies would keep the channels open
  bool asked = false;
  for (std::size_t open = all.size();;) {
    std::vector<any_arm<std::variant<result<std::monostate>, result<rational>>>> arms(all.size() + 1);
    for (std::size_t i = 0; i < all.size(); ++i)
      if (!all[i].waits) arms[i] = on_recv(all[i].end.requests);  // never chosen once it is empty
    if (asked) arms[all.size()] = on_recv(of.coefficients);
    auto chosen = co_await select(arms);
    if (!chosen) co_return fail(chosen.error());
    if (chosen->index == all.size()) {
      const rational value = co_await or_return(std::get<1>(std::move(chosen->outcome)));
      asked = false;
      for (reader& each : all)
        if (each.end.answers) each.ahead.push_back(value);
    } else if (reader& from = all[chosen->index]; std::get<0>(chosen->outcome)) {
      from.waits = true;
    } else {
      from.end = {};
      if (--open == 0) co_return result<void>();
    }
    for (reader& each : all) {
      if (!each.waits) continue;
      if (!each.ahead.empty()) {
        (void)each.end.answers.try_send(each.ahead.front());  // there is room, or nobody
        each.ahead.pop_front();
        each.waits = false;
      } else if (!asked) {
        co_await or_return(of.asks.send(std::monostate()));
        asked = true;
      }
    }
  }
}

/// Series whose tasks are in one group.
class algebra {
 public:
  explicit algebra(group& g) : tasks_(g) {}

  /// 1 + rx + r²x² …
  series geometric(rational r) {
    return made_by([r, power = rational(1)]() mutable -> task<result<rational>> {
      const rational now = power;
      power = power * r;
      co_return now;
    });
  }
  series sum(series f, series g) {
    return made_by([f = std::move(f), g = std::move(g)]() -> task<result<rational>> {
      const rational a = co_await or_return(next_of(f));
      const rational b = co_await or_return(next_of(g));
      co_return a + b;
    });
  }
  series scaled(rational by, series f) {
    return made_by([by, f = std::move(f)]() -> task<result<rational>> {
      const rational a = co_await or_return(next_of(f));
      co_return by * a;
    });
  }
  /// f + c
  series plus(rational c, series f) {
    return made_by([c, f = std::move(f)]() mutable -> task<result<rational>> {
      const rational a = co_await or_return(next_of(f));
      co_return a + std::exchange(c, 0);
    });
  }
  series product(series f, series g) {
    return made_by([f = std::move(f), g = std::move(g), fs = std::vector<rational>(),
                    gs = std::vector<rational>()]() mutable -> task<result<rational>> {
      fs.push_back(co_await or_return(next_of(f)));
      gs.push_back(co_await or_return(next_of(g)));
      rational total;
      for (std::size_t i = 0; i < fs.size(); ++i) total = total + fs[i] * gs[gs.size() - 1 - i];
      co_return total;
    });
  }
  /// The integral with constant `c`, which is given before `f` is asked for anything: that starts a ring.
  series integral(rational c, series f) {
    return made_by([c, f = std::move(f), n = std::int64_t{0}]() mutable -> task<result<rational>> {
      if (n++ == 0) co_return c;
      const rational a = co_await or_return(next_of(f));
      co_return a * rational(1, n - 1);
    });
  }
  series derivative(series f) {
    return made_by([f = std::move(f), n = std::int64_t{0}]() mutable -> task<result<rational>> {
      if (n++ == 0) co_await or_return(next_of(f));
      const rational a = co_await or_return(next_of(f));
      co_return a * rational(n);
    });
  }
  void copy(series of, std::vector<source> to) { tasks_.go(copy_to(std::move(of), std::move(to)), "copy"); }

  /// e^f for an f without constant term: y' = f'y.
  series exponential(series f) {
    auto [back, itself] = make_series();
    auto [out, given] = make_series();
    copy(integral(1, product(derivative(std::move(f)), std::move(itself))), {std::move(back), std::move(out)});
    return given;
  }
  /// log(1 + x): y' = 1 - x + x² …
  series logarithm() { return integral(0, geometric(-1)); }
  /// y' = 1 + y²
  series tangent() {
    auto [left_in, left] = make_series();
    auto [right_in, right] = make_series();
    auto [out, given] = make_series();
    copy(integral(0, plus(1, product(std::move(left), std::move(right)))),
         {std::move(left_in), std::move(right_in), std::move(out)});
    return given;
  }
  /// `n` times sin and `n` times cos, each the other's integral.
  std::pair<std::vector<series>, std::vector<series>> sines_and_cosines(std::size_t n) {
    std::pair<std::vector<series>, std::vector<series>> given;
    std::vector<source> of_sine, of_cosine;
    for (std::size_t i = 0; i < n + 1; ++i) {
      auto [sine_in, sine] = make_series();
      auto [cosine_in, cosine] = make_series();
      of_sine.push_back(std::move(sine_in));
      of_cosine.push_back(std::move(cosine_in));
      given.first.push_back(std::move(sine));
      given.second.push_back(std::move(cosine));
    }
    copy(integral(0, std::move(given.second.back())), std::move(of_sine));
    copy(integral(1, scaled(-1, std::move(given.first.back()))), std::move(of_cosine));
    given.first.pop_back();
    given.second.pop_back();
    return given;
  }

 private:
  template <class Next>
  series made_by(Next next) {
    auto [in, out] = make_series();
    tasks_.go(serve(std::move(in), std::move(next)), "series");
    return out;
  }

  group& tasks_;
};

/// The first `n` coefficients. A ring keeps itself alive, so the group is cancelled; what it ends with says only that.
task<std::vector<rational>> take(std::size_t n, std::function<series(algebra&)> of) {
  std::vector<rational> taken;
  group g;
  {
    algebra in(g);
    const series s = of(in);
    while (taken.size() < n) taken.push_back((co_await next_of(s)).value());
  }
  g.cancel();
  EXPECT_EQ((co_await g.wait()).error(), errc::cancelled);
  co_return taken;
}

using coefficients = std::vector<rational>;

coefficients first_of(std::size_t n, coefficients some) {
  some.resize(n);
  return some;
}

struct identity {
  const char* name;
  std::size_t count;
  std::function<series(algebra&)> of;
  coefficients expected;
};

std::vector<identity> identities() {
  return {
      {"exp(log(1+x)) = 1+x", 12, [](algebra& in) { return in.exponential(in.logarithm()); }, first_of(12, {1, 1})},
      {"exp(x)", 8, [](algebra& in) { return in.exponential(in.integral(0, in.geometric(0))); },
       {1, 1, rational(1, 2), rational(1, 6), rational(1, 24), rational(1, 120), rational(1, 720), rational(1, 5040)}},
      {"tan", 10, [](algebra& in) { return in.tangent(); },
       {0, 1, 0, rational(1, 3), 0, rational(2, 15), 0, rational(17, 315), 0, rational(62, 2835)}},
      {"cos^2 + sin^2 = 1", 14,
       [](algebra& in) {
         auto [sines, cosines] = in.sines_and_cosines(2);
         return in.sum(in.product(std::move(sines[0]), std::move(sines[1])),
                       in.product(std::move(cosines[0]), std::move(cosines[1])));
       },
       first_of(14, {1})},
      {"tan cos - sin = 0", 12,
       [](algebra& in) {
         auto [sines, cosines] = in.sines_and_cosines(1);
         return in.sum(in.product(in.tangent(), std::move(cosines[0])), in.scaled(-1, std::move(sines[0])));
       },
       coefficients(12)},
  };
}

TEST(ClassicPowerSeries, IdentitiesHold) {
  for (const identity& each : identities()) {
    const testing::leak_check nothing_left;
    testing::sim_runtime sim;
    EXPECT_EQ(sim.run(take(each.count, each.of)).value(), each.expected) << each.name;
    EXPECT_EQ(sim.live_tasks(), 0u);
  }
}

TEST(ClassicPowerSeries, IdentitiesHoldOnWorkers) {
  for (const unsigned count : {2u, 4u}) {
    const testing::leak_check nothing_left;
    runtime workers({.workers = count});
    for (int round = 0; round < 5; ++round)
      for (const identity& each : identities())
        EXPECT_EQ(workers.block_on(take(each.count, each.of)), each.expected) << each.name;
  }
}

}  // namespace
}  // namespace tandem::csp
