// What many read and few write, and pools: versions and entries live as long as they are read, and not longer.
#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/sync/byte_pool.hpp>
#include <tandem/sync/object_pool.hpp>
#include <tandem/sync/sharded_map.hpp>
#include <tandem/sync/snapshot.hpp>

#include "stress.hpp"

namespace stress {
namespace {

using namespace tandem;

std::atomic<std::int64_t> living{0};

// A value that knows whether it lives, and whether it is whole.
class tracked {
 public:
  explicit tracked(std::uint64_t n = 0) : first_(n), last_(n) { living.fetch_add(1); }
  tracked(const tracked& other) : first_(other.first_), last_(other.last_) { living.fetch_add(1); }
  tracked& operator=(const tracked&) = default;
  ~tracked() {
    first_ = 1;
    last_ = 2;
    living.fetch_sub(1);
  }
  [[nodiscard]] bool whole() const { return first_ == last_; }
  [[nodiscard]] std::uint64_t value() const { return first_; }
  void add(std::uint64_t n) {
    first_ += n;
    last_ += n;
  }

 private:
  std::uint64_t first_;
  std::uint64_t last_;
};

// Runs `n` tasks of `make(i)` and waits for all.
template <class Make>
void run_all(runtime& rt, std::uint64_t n, Make make) {
  std::vector<join_handle<void>> tasks;
  for (std::uint64_t i = 0; i < n; ++i) tasks.push_back(rt.spawn(make(i)));
  auto join_all = [](std::vector<join_handle<void>>& all) -> task<> {
    for (auto& t : all) (void)co_await t.join();
  };
  rt.block_on(join_all(tasks));
}

// Readers are kept over suspensions and dropped wherever their task goes on, while others write.
task<> read_and_write(sync::snapshot<tracked>& s, std::uint32_t seed, std::atomic<std::uint64_t>& writes) {
  std::mt19937 random(seed);
  std::vector<sync::snapshot<tracked>::reader> held;
  for (int i = 0; i < 500; ++i) {
    switch (random() % 8) {
      case 0:
        s.update([](tracked& t) { t.add(1); });
        writes.fetch_add(1);
        break;
      case 1: co_await yield(); break;
      case 2: held.clear(); break;
      default: held.push_back(s.read());
    }
    std::uint64_t last = 0;
    for (const auto& r : held) {
      check(r->whole(), "a version was changed or destroyed under its reader");
      check(r->value() >= last, "versions went backwards");
      check(r.version() == r->value() + 1, "a version has another's value");
      last = r->value();
    }
    if (held.size() > 10) held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(random() % held.size()));
  }
}

std::uint64_t snapshot_round(const settings& how, std::uint32_t seed) {
  constexpr std::uint64_t n = 16;
  std::atomic<std::uint64_t> writes{0};
  {
    runtime rt({.workers = how.workers});
    std::optional<sync::snapshot<tracked>> s(std::in_place, 0);
    run_all(rt, n, [&](std::uint64_t i) { return read_and_write(*s, seed + static_cast<std::uint32_t>(i), writes); });
    check(s->read()->value() == writes, "an update was lost");
    check(living == 1, "a version that nobody reads is left");
    const auto last = s->read();
    s.reset();
    check(last->whole() && living == 1, "the last version went with the snapshot under its reader");
  }
  check(living == 0, "a version is left");
  return n * 500;
}

// Keys below `fixed` are always there; the others come and go, and make the map grow.
constexpr std::uint64_t fixed = 64;

task<> use_map(sync::sharded_map<std::uint64_t, tracked>& m, std::uint32_t seed, std::atomic<std::uint64_t>& added) {
  std::mt19937 random(seed);
  for (int i = 0; i < 1'000; ++i) {
    const std::uint64_t k = random() % fixed;
    const std::uint64_t other = fixed + random() % 2'000;
    switch (random() % 12) {
      case 0:
        check(m.update(k, [](tracked& t) { t.add(fixed); }), "an entry that is always there was not changed");
        added.fetch_add(1);
        break;
      case 1: (void)m.insert(other, tracked(other)); break;
      case 2: (void)m.insert_or_assign(other, tracked(other)); break;
      case 3: (void)m.erase(other); break;
      case 4:
        (void)m.compute(other, [&](std::optional<tracked>& t) {
          if (t)
            t.reset();
          else
            t.emplace(other);
        });
        break;
      case 5:
        if (random() % 16 == 0) {
          std::uint64_t met = 0;
          m.for_each([&](const std::uint64_t& key, const tracked& t) {
            check(t.whole() && t.value() % fixed == key % fixed, "an entry was changed or destroyed while it was met");
            met += key < fixed ? 1 : 0;
          });
          check(met == fixed, "an entry that is always there was met twice or not at all");
        }
        break;
      case 6: co_await yield(); break;
      default:
        check(
            m.visit(k, [&](const tracked& t) { check(t.whole() && t.value() % fixed == k, "an entry is not whole"); }),
            "an entry that is always there was not found");
        (void)m.visit(other, [](const tracked& t) { check(t.whole(), "an entry is not whole"); });
    }
  }
}

std::uint64_t map_round(const settings& how, std::uint32_t seed) {
  constexpr std::uint64_t n = 16;
  std::atomic<std::uint64_t> added{0};
  {
    runtime rt({.workers = how.workers});
    sync::sharded_map<std::uint64_t, tracked> m({.shards = std::size_t{1} << (seed % 4)});
    for (std::uint64_t k = 0; k < fixed; ++k) (void)m.insert(k, tracked(k));
    run_all(rt, n, [&](std::uint64_t i) { return use_map(m, seed + static_cast<std::uint32_t>(i), added); });
    std::uint64_t sum = 0, count = 0;
    m.for_each([&](const std::uint64_t& k, const tracked& t) {
      ++count;
      if (k < fixed) sum += (t.value() - k) / fixed;
    });
    check(sum == added, "an update was lost");
    check(count == m.size(), "the size is wrong");
  }
  check(living == 0, "an entry is left");
  return n * 1'000;
}

using tracked_pool = sync::object_pool<tracked>;

task<> use_pools(tracked_pool& objects, sync::byte_pool& bytes, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<tracked_pool::loan> lent;
  std::vector<std::pair<sync::byte_pool::loan, std::byte>> memory;
  for (int i = 0; i < 1'000; ++i) {
    switch (random() % 6) {
      case 0:
      case 1:
        if (lent.size() < 30) {
          lent.push_back(objects.get());
          check(lent.back()->value() == 0, "an object was lent twice, or not reset");
          lent.back()->add(1);
        }
        break;
      case 2:
        if (memory.size() < 30) {
          memory.emplace_back(bytes.get(random() % 5'000), static_cast<std::byte>(random()));
          std::ranges::fill(memory.back().first, memory.back().second);
        }
        break;
      case 3:
        for (const auto& l : lent) check(l->whole() && l->value() == 1, "an object was lent twice");
        lent.resize(lent.size() / 2);
        break;
      case 4:
        for (const auto& [b, mark] : memory)
          check(std::ranges::all_of(b, [&, m = mark](std::byte x) { return x == m; }), "memory was lent twice");
        memory.resize(memory.size() / 2);
        break;
      default:
        if (random() % 100 == 0) {
          objects.trim();
          bytes.trim();
        }
        co_await yield();
    }
  }
}

std::uint64_t pool_round(const settings& how, std::uint32_t seed) {
  constexpr std::uint64_t n = 16;
  {
    runtime rt({.workers = how.workers});
    auto objects = std::make_unique<tracked_pool>([] { return tracked(0); }, [](tracked& t) { t = tracked(0); },
                                                  sync::pool_options{.most_idle = seed % 100});
    auto bytes = std::make_unique<sync::byte_pool>();
    run_all(rt, n, [&](std::uint64_t i) { return use_pools(*objects, *bytes, seed + static_cast<std::uint32_t>(i)); });
    check(static_cast<std::size_t>(living) == objects->idle(), "an object is neither idle nor lent");
    auto late = objects->get();
    std::thread ends([l = std::move(late)]() mutable { l = {}; });
    objects.reset();
    ends.join();
  }
  check(living == 0, "an object is left");
  return n * 1'000;
}

}  // namespace

std::vector<primitive> read_primitives() {
  return {
      {"snapshot", "readers held over suspensions: versions are whole, in order, and go when nobody reads them",
       snapshot_round},
      {"map", "reads, writes and walks of a growing map: nothing that stays is missed, no update is lost", map_round},
      {"pool", "loans that end anywhere: none is shared, none is lost, pools go before them", pool_round}};
}

}  // namespace stress
