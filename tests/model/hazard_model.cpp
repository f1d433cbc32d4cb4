// Readers and those who free what they read: nothing goes while it is read, and everything goes, once.
#include <tandem/sync/detail/hazard.hpp>

#include <array>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <tandem/sync/detail/map_shard.hpp>

#include "world.hpp"

namespace tandem::model {
namespace {

std::function<void(sync::detail::hazard_record&, const sync::detail::hazardous*)> on_left_noted;

}  // namespace
}  // namespace tandem::model

// In the place of the domain's.
void tandem::sync::detail::left_noted(hazard_record& r, const hazardous* old) noexcept { model::on_left_noted(r, old); }

namespace tandem::model {
namespace {

using sync::detail::handed_over;
using sync::detail::hazard_record;
using sync::detail::hazardous;
using sync::detail::map_shard;
using sync::detail::retirable;

// Memory that is never freed, so that whoever reads it too late reads a zero, or races with it.
struct version : retirable {
  version() : retirable(nullptr) {}
  plain content;
  std::array<plain, 2> used;  // by each reader: the model sees races with writes only
  int freed = 0;
};

void free_version(retirable* r) {
  if (!r) return;
  auto* const v = static_cast<version*>(r);
  check(++v->freed == 1, "a version was freed twice");
  v->content.set(0);
  for (plain& p : v->used) p.set(0);
}

struct versions {
  std::array<version, 3> all;
  detail::sync::atomic<version*> current{nullptr};
  std::array<hazard_record, 2> records;
  handed_over pending;
  detail::sync::atomic<int> pace{0};
};

// As a search that starts over, if it looks more than once: the record is not left between.
void read(versions& s, std::size_t reader, int looks) {
  hazard_record& r = s.records[reader];
  version* v = nullptr;
  for (int i = 0; i < looks; ++i) {
    v = r.protect_first(s.current);
    check(v->content.get() == 1, "read a version that is gone");
    (void)s.pace.load(std::memory_order_relaxed);  // a step, so that others go on while it is read
    check(v->content.get() == 1, "it went while it was read");
    v->used[reader].set(1);
  }
  if (r.leave_first()) sync::detail::left_noted(r, v);
}

// As snapshot does it: one writer at a time publishes, then retires. Whoever is the last frees, at once.
void readers_and_a_writer(world& w, int readers, std::size_t writes, int reads = 1, int looks = 1) {
  auto s = std::make_shared<versions>();
  on_left_noted = [&of = *s](hazard_record& r, const hazardous* old) {
    free_version(of.pending.left(of.records, r, old));
  };
  s->all[0].content.set(1);
  s->current.store(&s->all[0], std::memory_order_release);
  for (int i = 0; i < readers; ++i)
    w.thread("reader", [=] {
      for (int n = 0; n < reads; ++n) read(*s, static_cast<std::size_t>(i), looks);
    });
  w.thread("writer", [=] {
    for (std::size_t n = 1; n <= writes; ++n) {
      s->all[n].content.set(1);
      version* const old = s->current.load(std::memory_order_relaxed);
      s->current.store(&s->all[n], std::memory_order_release);
      free_version(s->pending.retire(s->records, *old));
    }
  });
  w.finally([=] {
    for (std::size_t n = 0; n < writes; ++n) check(s->all[n].freed == 1, "a version that nobody reads is left");
    check(s->all[writes].freed == 0, "the current version was freed");
  });
}

const std::vector<model> version_models{
    {{.preemptions = -1, .old_values = 2}, [](world& w) { readers_and_a_writer(w, 1, 1); }},
    {{.preemptions = 3, .old_values = 1}, [](world& w) { readers_and_a_writer(w, 1, 2, 2); }},
    {{.preemptions = 3, .old_values = 1}, [](world& w) { readers_and_a_writer(w, 2, 1); }},
    {{.preemptions = 3, .old_values = 1}, [](world& w) { readers_and_a_writer(w, 1, 2, 1, 2); }},
};

// An entry of a map: its content is there from construction to destruction.
class entry {
 public:
  entry(plain& content, std::uint64_t what) : content_(&content) { content_->set(what); }
  entry(entry&& other) noexcept : content_(std::exchange(other.content_, nullptr)) {}
  ~entry() {
    if (content_) content_->set(0);
  }
  [[nodiscard]] std::uint64_t get() const { return content_->get(); }
  void use() const { content_->set(get()); }  // the model sees races with writes only

 private:
  plain* content_;
};

using shard = map_shard<int, entry>;

struct map {
  shard* const in = new shard;  // deleted at the end of an execution that gets there: it is made of the model's words
  std::array<hazard_record, 2> records;
  std::array<plain, 4> contents;
  detail::sync::atomic<int> pace{0};
  std::vector<shard::table*> tables;  // replaced ones, kept: who reads them too late is told by their nodes

  // 1 and 2 share a chain of the first table, and none of later ones.
  static std::uint64_t hash(int key) { return key == 2 ? std::uint64_t{1} << (63 - shard::first_bits) : 0; }
  [[nodiscard]] shard::node_ptr make(int key, std::size_t content) {
    return std::make_unique<shard::node>(hash(key), key, contents[content], 10 + static_cast<std::uint64_t>(key));
  }
  void insert(hazard_record& r, int key, std::size_t content) {
    auto n = make(key, content);
    while (!in->insert(n, find_place(r, key))) {}
    leave(r);
  }
  [[nodiscard]] shard::place find_place(hazard_record& r, int key) {
    return in->find_place(r, hash(key), [key](const shard::node& n) { return n.key == key; });
  }
  bool look(hazard_record& r, int key) {
    const shard::node* const n = in->find(r, hash(key), [key](const shard::node& x) { return x.key == key; });
    if (n) {
      check(n->value.get() == 10 + static_cast<std::uint64_t>(key), "read an entry that is gone");
      (void)pace.load(std::memory_order_relaxed);  // a step, so that others go on while it is read
      check(n->value.get() == 10 + static_cast<std::uint64_t>(key), "it went while it was read");
      n->value.use();
    }
    leave(r);
    return n != nullptr;
  }
  void leave(hazard_record& r) {
    for (std::size_t i = 0; i < hazard_record::slots; ++i) r.leave(i);
  }
  void erase(hazard_record& r, int key) {
    for (;;) {
      const auto p = find_place(r, key);
      check(p.at != nullptr, "an entry was lost");
      if (in->erase(p)) break;
    }
    leave(r);
  }
  void replace(hazard_record& r, int key, std::size_t content) {
    auto n = make(key, content);
    while (!in->replace(n, find_place(r, key))) {}
    leave(r);
  }
  void free_unread() {
    hazardous* retired = in->take_retired(1);
    hazardous* const unread = sync::detail::take_unread(records, retired);
    in->keep(retired);
    shard::free_nodes(unread);
  }
  void widen(hazard_record& r) {
    auto* const old = in->protect_table(r);
    tables.push_back(in->widen(old, shard::wider_than(*old, old->bits + 1)));
    leave(r);
  }
  void end() {
    delete in;
    for (auto* t : tables) t->free_this(t);
  }
};

// The chain is 2 -> 1. What is always there must always be found.
void a_map(world& w, const std::function<void(map&, hazard_record&)>& write, int always, int sometimes) {
  auto m = std::make_shared<map>();
  m->insert(m->records[0], 1, 1);
  m->insert(m->records[0], 2, 2);
  w.thread("reader", [=] {
    if (always != 0) check(m->look(m->records[0], always), "an entry that is always there was not found");
    if (sometimes != 0) (void)m->look(m->records[0], sometimes);
  });
  w.thread("writer", [=] { write(*m, m->records[1]); });
  w.finally([=] { m->end(); });
}

void erase_before_another(world& w) {
  a_map(
      w,
      [](map& m, hazard_record& r) {
        m.erase(r, 2);
        m.free_unread();
      },
      1, 2);
}
// A reader on 2 must not go on to 1 when both are gone.
void erase_both(world& w) {
  a_map(
      w,
      [](map& m, hazard_record& r) {
        m.erase(r, 2);
        m.erase(r, 1);
        m.free_unread();
      },
      0, 1);
}
void replace(world& w) {
  a_map(
      w,
      [](map& m, hazard_record& r) {
        m.replace(r, 2, 3);
        m.free_unread();
      },
      2, 1);
}
void insert(world& w) {
  a_map(
      w, [](map& m, hazard_record& r) { m.insert(r, 3, 3); }, 2, 3);
}
// A reader may meet the new 1 by the link that led to 2. No fence helps him.
void replace_and_erase(world& w) {
  a_map(
      w,
      [](map& m, hazard_record& r) {
        m.replace(r, 1, 3);
        m.erase(r, 2);
      },
      1, 0);
}
void widen_and_erase(world& w) {
  a_map(
      w,
      [](map& m, hazard_record& r) {
        m.widen(r);
        m.erase(r, 2);
        m.free_unread();
      },
      1, 0);
}
void widen_twice(world& w) {
  a_map(
      w,
      [](map& m, hazard_record& r) {
        m.widen(r);
        m.widen(r);
      },
      1, 0);
}
// Two that write the same shard: none of the changes is lost.
void two_writers(world& w) {
  auto m = std::make_shared<map>();
  m->insert(m->records[0], 1, 1);
  w.thread("inserts", [=] { m->insert(m->records[0], 2, 2); });
  w.thread("erases", [=] { m->erase(m->records[1], 1); });
  w.finally([=] {
    check(!m->look(m->records[0], 1), "an erased entry is back");
    check(m->look(m->records[0], 2), "an inserted entry was lost");
    check(m->in->size() == 1, "the count is wrong");
    m->end();
  });
}

// The second must not search in what was there before the first.
void two_erase(world& w) {
  auto m = std::make_shared<map>();
  m->insert(m->records[0], 1, 1);
  m->insert(m->records[0], 2, 2);
  w.thread("erases 2", [=] { m->erase(m->records[0], 2); });
  w.thread("erases 1", [=] {
    m->erase(m->records[1], 1);
    check(!m->look(m->records[1], 1), "an erased entry is back");
  });
  w.finally([=] {
    check(!m->look(m->records[0], 2), "an erased entry is back");
    m->end();
  });
}

const std::vector<model> map_models{
    {{.preemptions = 2, .old_values = 1}, erase_before_another},
    {{.preemptions = 2, .old_values = 1}, erase_both},
    {{.preemptions = 2, .old_values = 1}, replace},
    {{.preemptions = 2, .old_values = 1}, insert},
    {{.preemptions = 2, .old_values = 1}, widen_and_erase},
    {{.preemptions = 2, .old_values = 1}, widen_twice},
    {{.preemptions = 2, .old_values = 1}, two_writers},
    {{.preemptions = 2, .old_values = 5}, two_erase},
    {{.preemptions = 2, .old_values = 1}, replace_and_erase},
};

TEST(HazardModel, AVersionStaysWhileItIsReadAndGoesOnce) {
  expect_holds(version_models[0].how, version_models[0].what);
}
TEST(HazardModel, VersionsGoInAnyOrder) { expect_holds(version_models[1].how, version_models[1].what); }
TEST(HazardModel, TheLastOfTwoReadersFrees) { expect_holds(version_models[2].how, version_models[2].what); }

TEST(HazardModel, AVersionGoesWhenItsReaderProtectsAnother) {
  expect_holds(version_models[3].how, version_models[3].what);
}

TEST(MapShardModel, AnEntryBehindAnErasedOneIsFound) { expect_holds(map_models[0].how, map_models[0].what); }
TEST(MapShardModel, AChainThatGoesIsNotFollowed) { expect_holds(map_models[1].how, map_models[1].what); }
TEST(MapShardModel, AReplacedEntryIsAlwaysFound) { expect_holds(map_models[2].how, map_models[2].what); }
TEST(MapShardModel, AnInsertedEntryIsWhole) { expect_holds(map_models[3].how, map_models[3].what); }
TEST(MapShardModel, AReaderOfAReplacedTableStartsOver) { expect_holds(map_models[4].how, map_models[4].what); }
TEST(MapShardModel, AReaderOfATableTwiceReplacedStartsOver) { expect_holds(map_models[5].how, map_models[5].what); }
TEST(MapShardModel, TwoWritersLoseNothing) { expect_holds(map_models[6].how, map_models[6].what); }

TEST(MapShardModel, TwoThatEraseNeighboursEraseBoth) { expect_holds(map_models[7].how, map_models[7].what); }
TEST(MapShardModel, AReplacedEntryBehindAnErasedOneIsWhole) { expect_holds(map_models[8].how, map_models[8].what); }

TEST(HazardMutants, WithoutAHeavyFenceAReaderIsSurprised) {
  std::vector<model> all = version_models;
  all.insert(all.end(), map_models.begin(), map_models.end());
  EXPECT_EQ(unnoticed(mutation::kind::drop, step::heavy_fence, "hazard.hpp", all), std::vector<std::string>());
}

TEST(HazardMutants, RelaxedOrdersAreNoticed) {
  std::vector<model> all = version_models;
  all.insert(all.end(), map_models.begin(), map_models.end());
  const auto weaker = [](const site& s) { return s.with != std::memory_order_relaxed; };
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::store, "hazard.hpp", all, weaker), std::vector<std::string>());
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::load, "hazard.hpp", all, weaker), std::vector<std::string>());
}

// All but one: the first look of protect_first() is a guess.
TEST(HazardMutants, FrozenLooksAreNoticed) {
  std::vector<model> all = version_models;
  all.insert(all.end(), map_models.begin(), map_models.end());
  EXPECT_EQ(unnoticed(mutation::kind::freeze, step::load, "hazard.hpp", all).size(), 1U);
}

// All but one: leads_to() is for a node that took another's memory, which no scenario brings about.
TEST(MapShardMutants, RelaxedOrdersAreNoticed) {
  const auto weaker = [](const site& s) { return s.with != std::memory_order_relaxed; };
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::store, "map_shard.hpp", map_models, weaker),
            std::vector<std::string>());
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::load, "map_shard.hpp", map_models, weaker).size(), 1U);
}

TEST(MapShardMutants, FrozenLooksAreNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::freeze, step::load, "map_shard.hpp", map_models,
                      [](const site& s) { return s.with != std::memory_order_relaxed; }),
            std::vector<std::string>());
}

}  // namespace
}  // namespace tandem::model
