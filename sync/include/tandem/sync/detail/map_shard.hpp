// A hash table that one writer at a time changes while any number read it without a lock. A part of sharded_map.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/sync/detail/hazard_domain.hpp>

namespace tandem::sync::detail {

/// Chains of nodes that never change but for their links. No user code runs in here but a search's `is_it`, and nothing
/// is allocated or freed under the lock.
///
/// (M1) A reader protects the table (slot 0), then node after node (slots 1 and 2 in turns). A node is protected once,
///      after it was announced, the link that led there still leads there and the table is still the current one.
/// (M2) What is taken out of a chain gets `gone` for its link, so that a reader who stands on it starts over. The other
///      set of links belongs to another table: who follows that finds his table replaced.
/// (M3) A table uses one of two sets of links, and the one that takes its place the other. So a chain that a reader
///      follows is whole as long as its table is the current one.
/// (M4) `version` changes with each change of links or tables, under the lock. A writer searches without the lock and
///      changes what it found if `version` is still what it was before the search.
template <class K, class V>
class map_shard {
 public:
  struct node : hazardous {
    template <class Key, class... Args>
    node(std::uint64_t h, Key&& k, Args&&... args)
        : hash(h), key(std::forward<Key>(k)), value(std::forward<Args>(args)...) {}
    std::array<atomic<node*>, 2> next{};  // M3; written under the lock
    const std::uint64_t hash;             // its upper bits choose the chain
    const K key;
    V value;
  };
  using node_ptr = std::unique_ptr<node>;
  using link = atomic<node*>;

  class table : public retirable {
   public:
    static table* make(unsigned bits, unsigned links) {
      const std::size_t n = std::size_t{1} << bits;
      return new (::operator new(sizeof(table) + n * sizeof(link))) table(bits, links);
    }
    [[nodiscard]] link& chain(std::size_t i) noexcept { return reinterpret_cast<link*>(this + 1)[i]; }
    [[nodiscard]] std::size_t index(std::uint64_t hash) const noexcept { return hash >> (64 - bits); }
    [[nodiscard]] std::size_t size() const noexcept { return std::size_t{1} << bits; }

    const unsigned bits;   // at least 1
    const unsigned links;  // which of a node's links are its chains'

   private:
    table(unsigned b, unsigned l)
        : retirable([](retirable* t) noexcept { ::operator delete(static_cast<table*>(t)); }), bits(b), links(l) {
      for (std::size_t i = 0; i < size(); ++i) new (&chain(i)) link(nullptr);
    }
  };
  static_assert(sizeof(table) % alignof(link) == 0);

  /// What a search found: the node, or null and the end of its chain. Protected by the record that it was made with.
  struct place {
    std::uint64_t version;  // before the search
    table* in;
    link* from;
    node* at;
  };

  static constexpr unsigned first_bits = 3;
  static constexpr unsigned most_bits = 40;
  static constexpr std::size_t most_retired = 32;

  map_shard() : table_(table::make(first_bits, 0)) {}
  map_shard(const map_shard&) = delete;
  map_shard& operator=(const map_shard&) = delete;
  /// Nobody may read any more.
  ~map_shard() {
    table* const t = table_.load(std::memory_order_relaxed);
    free_nodes(chain_all(*t));
    free_nodes(retired_);
    t->free_this(t);
  }

  /// The node of `hash` that `is_it`, which may throw; or null. Protected by the record.
  template <class IsIt>
  [[nodiscard, gnu::always_inline]] const node* find(hazard_record& r, std::uint64_t hash, IsIt&& is_it) const {
    place p{};
    search(r, hash, is_it, p);
    return p.at;
  }

  /// The same for a writer.
  template <class IsIt>
  [[nodiscard]] place find_place(hazard_record& r, std::uint64_t hash, IsIt&& is_it) const {
    // Acquire pairs with the release in changed(): the search sees all changes up to this version (M4).
    place p{version_.load(std::memory_order_acquire), nullptr, nullptr, nullptr};
    search(r, hash, is_it, p);
    return p;
  }

  /// Puts `n` where its search found nothing. False: something changed meanwhile, search again.
  [[nodiscard]] bool insert(node_ptr& n, const place& p) noexcept {
    const std::lock_guard hold(lock_);
    if (!current(p)) return false;
    link& chain = p.in->chain(p.in->index(n->hash));
    n->next[p.in->links].store(chain.load(std::memory_order_relaxed), std::memory_order_relaxed);  // under the lock
    chain.store(n.release(), std::memory_order_release);  // P1: pairs with the acquire in step(); what is in the node
    size_.store(size() + 1, std::memory_order_relaxed);
    changed();
    return true;
  }

  /// Puts `n`, whose key is that of the node found, in its place. False: something changed, search again.
  [[nodiscard]] bool replace(node_ptr& n, const place& p) noexcept {
    const std::lock_guard hold(lock_);
    if (!current(p)) return false;
    link& rest = p.at->next[p.in->links];
    n->next[p.in->links].store(rest.load(std::memory_order_relaxed), std::memory_order_relaxed);  // under the lock
    p.from->store(n.release(), std::memory_order_release);                                        // P1
    retire(*p.at, rest);
    changed();
    return true;
  }

  /// Takes out the node found. False: something changed, search again.
  [[nodiscard]] bool erase(const place& p) noexcept {
    const std::lock_guard hold(lock_);
    if (!current(p)) return false;
    link& rest = p.at->next[p.in->links];
    // Release hands on P1 of the node that follows: a reader may meet it by this link first.
    p.from->store(rest.load(std::memory_order_relaxed), std::memory_order_release);
    retire(*p.at, rest);
    size_.store(size() - 1, std::memory_order_relaxed);
    changed();
    return true;
  }

  /// Replaces table `old` by `wider`, made with wider_than(). Gives the one of them that is not the table now: `old`,
  /// which is to be retired, or `wider`, if `old` was replaced meanwhile.
  [[nodiscard]] table* widen(table* old, table* wider) noexcept {
    const std::lock_guard hold(lock_);
    // The address is enough: whoever calls protects `old`, or is alone.
    if (table_.load(std::memory_order_relaxed) != old) return wider;
    for (std::size_t i = 0; i < old->size(); ++i)
      for (node* n = old->chain(i).load(std::memory_order_relaxed); n;) {
        link& chain = wider->chain(wider->index(n->hash));
        // P3: release pairs with the acquire in step(), by a reader who came by a table of two replacements ago, which
        // used the same links: he finds it replaced.
        n->next[wider->links].store(chain.load(std::memory_order_relaxed), std::memory_order_release);
        chain.store(n, std::memory_order_relaxed);  // nobody sees it before the table
        n = n->next[old->links].load(std::memory_order_relaxed);
      }
    table_.store(wider, std::memory_order_release);  // P2: pairs with the acquire in protect_first(); all of its links
    changed();
    return old;
  }
  [[nodiscard]] static table* wider_than(const table& t, unsigned bits) { return table::make(bits, 1 - t.links); }

  /// Takes out all: puts `empty`, made by empty_table(), in place of the table, which it gives together with its nodes.
  [[nodiscard]] std::pair<table*, hazardous*> clear(table* empty) noexcept {
    table* old = nullptr;
    {
      const std::lock_guard hold(lock_);
      old = table_.load(std::memory_order_relaxed);
      table_.store(empty, std::memory_order_release);  // P2
      size_.store(0, std::memory_order_relaxed);
      changed();
    }
    // Readers still follow the links of `old`, and find it replaced (M2).
    return {old, chain_all(*old)};
  }
  // Its set of links does not matter: no node is in two tables.
  [[nodiscard]] static table* empty_table() { return table::make(first_bits, 0); }

  /// More nodes than chains.
  [[nodiscard]] bool is_full(const table& t) const noexcept { return size() > t.size() && t.bits < most_bits; }

  /// Retired nodes, if there are many; to be given to keep() or freed.
  [[nodiscard]] hazardous* take_retired(std::size_t at_least = most_retired) noexcept {
    const std::lock_guard hold(lock_);
    if (retired_count_ < at_least) return nullptr;
    retired_count_ = 0;
    return std::exchange(retired_, nullptr);
  }

  /// Keeps `still_read`, a chain of retired nodes, for later.
  void keep(hazardous* still_read) noexcept {
    if (!still_read) return;
    std::size_t n = 1;
    hazardous* last = still_read;
    for (; last->next_retired; last = last->next_retired) ++n;
    const std::lock_guard hold(lock_);
    last->next_retired = std::exchange(retired_, still_read);
    retired_count_ += n;
  }

  /// Frees a chain of nodes.
  static void free_nodes(hazardous* first) noexcept {
    while (first) {
      hazardous* const next = first->next_retired;
      delete static_cast<node*>(first);
      first = next;
    }
  }

  /// One chain as a whole, for a walk over all: calls `add` for each node of the chain of `position` whose hash is not
  /// below it, which announces the node in a record of its own; before the first, and when it has to start over, calls
  /// `reset`. Gives the position of the next chain; 0 after the last one. Chains of all tables are in the order of
  /// hashes, so a walk meets each node once.
  template <class Reset, class Add>
  [[nodiscard]] std::uint64_t collect(hazard_record& r, std::uint64_t position, Reset&& reset, Add&& add) const {
    for (;;) {
      reset();
      place p{0, r.protect_first(table_), nullptr, nullptr};
      const std::size_t i = p.in->index(position);
      p.from = &p.in->chain(i);
      std::size_t slot = 1;
      bool whole = step(r, slot, p);
      while (whole && p.at) {
        if (p.at->hash >= position) {
          add(*p.at);
          if (!leads_to(p)) break;  // M1, for the other record
        }
        p.from = &p.at->next[p.in->links];
        slot = 3 - slot;
        whole = step(r, slot, p);
      }
      if (whole && !p.at) return i + 1 == p.in->size() ? 0 : std::uint64_t{i + 1} << (64 - p.in->bits);
    }
  }

  /// Relaxed: a count that others change at any time.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

  [[nodiscard]] table* protect_table(hazard_record& r) const noexcept { return r.protect_first(table_); }

 private:
  // The link of what is in no chain any more (M2): no node has this address.
  [[nodiscard]] static node* gone() noexcept { return reinterpret_cast<node*>(std::uintptr_t{1}); }

  template <class IsIt>
  [[gnu::always_inline]] void search(hazard_record& r, std::uint64_t hash, IsIt& is_it, place& p) const {
    for (;;) {
      p.in = r.protect_first(table_);
      p.from = &p.in->chain(p.in->index(hash));
      std::size_t slot = 1;
      while (step(r, slot, p)) {
        if (!p.at || (p.at->hash == hash && is_it(std::as_const(*p.at)))) return;
        p.from = &p.at->next[p.in->links];
        slot = 3 - slot;
      }
    }
  }

  // Follows p.from and protects what is there (M1). False: start over.
  [[nodiscard, gnu::always_inline]] bool step(hazard_record& r, std::size_t slot, place& p) const noexcept {
    p.at = p.from->load(std::memory_order_acquire);  // P3; and P1, if leads_to() sees the same store
    if (p.at == gone()) return false;
    if (!p.at) return is_table(p);
    r.announce(slot, p.at);
    return leads_to(p);
  }
  [[nodiscard]] bool leads_to(const place& p) const noexcept {
    // P1, once more: it may be another node by now, in the same memory.
    return p.from->load(std::memory_order_acquire) == p.at && is_table(p);
  }
  // Relaxed: the table is protected, so the same address is the same table, and its links were seen with it. That a
  // replaced one is noticed is up to the fence (M1) or to P3.
  [[nodiscard]] bool is_table(const place& p) const noexcept { return table_.load(std::memory_order_relaxed) == p.in; }

  // Under the lock.
  [[nodiscard]] bool current(const place& p) const noexcept {
    return version_.load(std::memory_order_relaxed) == p.version;
  }
  void changed() noexcept {
    // Release pairs with the acquire in find_place(): M4.
    version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  void retire(node& n, link& its_link) noexcept {
    its_link.store(gone(), std::memory_order_relaxed);  // M2; ordered by the fence before it is freed
    n.next_retired = retired_;
    retired_ = &n;
    ++retired_count_;
  }

  // All nodes of a table that nobody changes any more.
  [[nodiscard]] static hazardous* chain_all(table& t) noexcept {
    hazardous* all = nullptr;
    for (std::size_t i = 0; i < t.size(); ++i)
      for (node* n = t.chain(i).load(std::memory_order_relaxed); n;
           n = n->next[t.links].load(std::memory_order_relaxed)) {
        n->next_retired = all;
        all = n;
      }
    return all;
  }

  alignas(64) atomic<table*> table_;  // apart from what each write touches
  alignas(64) tandem::detail::spin_lock lock_;
  atomic<std::uint64_t> version_{0};  // written under lock_, as all that follows
  atomic<std::size_t> size_{0};
  hazardous* retired_ = nullptr;
  std::size_t retired_count_ = 0;
};

}  // namespace tandem::sync::detail
