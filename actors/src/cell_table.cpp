#include "cell_table.hpp"

#include <bit>
#include <mutex>
#include <new>

#include <tandem/runtime/detail/worker.hpp>

#include "cell.hpp"

namespace tandem::actors::detail {
namespace {

// Of the slots of a shard, which segment has the one with this index, and where in it.
struct place {
  std::uint32_t segment;
  std::uint32_t offset;
};
place place_of(std::uint32_t index, std::uint32_t first_segment) noexcept {
  const std::uint32_t segment = static_cast<std::uint32_t>(std::bit_width(index / first_segment + 1)) - 1;
  return {segment, index - ((1U << segment) - 1) * first_segment};
}

}  // namespace

cell_table::shard::~shard() {
  for (auto& s : segments) delete[] s.load(std::memory_order_relaxed);
}

cell_table::slot* cell_table::slot_of(std::uint32_t number) const noexcept {
  const shard& s = shards_[number % shards];
  const std::uint32_t index = number / shards;
  if (index >= s.made.load(std::memory_order_acquire)) return nullptr;  // an id from a stranger; pairs with add_segment()
  const place at = place_of(index, first_segment);
  return &s.segments[at.segment].load(std::memory_order_acquire)[at.offset];
}

// Under the shard's lock.
void cell_table::add_segment(shard& s, std::uint32_t index) {
  const std::uint32_t before = s.made.load(std::memory_order_relaxed);
  const std::uint32_t segment = place_of(before, first_segment).segment;
  if (segment == most_segments) throw std::bad_alloc();
  const std::uint32_t size = first_segment << segment;
  slot* const made = new slot[size];
  for (std::uint32_t i = size; i-- > 0;) {
    made[i].number = (before + i) * shards + index;
    made[i].next_free = std::exchange(s.free, &made[i]);
  }
  s.segments[segment].store(made, std::memory_order_release);  // B2
  s.made.store(before + size, std::memory_order_release);
}

std::uint64_t cell_table::reserve() {
  const std::uint32_t index = tandem::detail::tls_worker ? tandem::detail::tls_worker->index % (shards - 1) : shards - 1;
  shard& s = shards_[index];
  const std::lock_guard hold(s.lock);
  if (s.closed && s.live.load(std::memory_order_relaxed) == 0) return 0;  // B3
  if (!s.free) add_segment(s, index);
  slot& taken = *std::exchange(s.free, s.free->next_free);
  s.live.store(s.live.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return std::uint64_t{++taken.uses} << 32 | taken.number;
}

void cell_table::publish(cell& c) noexcept {
  slot& s = *slot_of(number_of(c.id()));
  const std::lock_guard hold(s.lock);
  s.there = &c;
}

void cell_table::withdraw(const cell& c) noexcept {
  slot& s = *slot_of(number_of(c.id()));
  const std::lock_guard hold(s.lock);
  if (s.there == &c) s.there = nullptr;
}

bool cell_table::one_is_over() noexcept {
  // Release and acquire: what each actor did comes before what happens after the end.
  return over_.fetch_add(1, std::memory_order_acq_rel) + 1 == shards;
}

bool cell_table::release(std::uint64_t id) noexcept {
  slot& ended = *slot_of(number_of(id));
  shard& s = shards_[number_of(id) % shards];
  bool over;
  {
    const std::lock_guard hold(s.lock);
    // One that has had all its ids is not used again: the next would be one that was given before.
    if (ended.uses != UINT32_MAX) [[likely]] ended.next_free = std::exchange(s.free, &ended);
    const std::uint32_t left = s.live.load(std::memory_order_relaxed) - 1;
    s.live.store(left, std::memory_order_relaxed);
    over = s.closed && left == 0;
  }
  return over && one_is_over();
}

bool cell_table::close() noexcept {
  bool last = false;
  for (shard& s : shards_) {
    bool over;
    {
      const std::lock_guard hold(s.lock);
      over = !std::exchange(s.closed, true) && s.live.load(std::memory_order_relaxed) == 0;
    }
    if (over) last = one_is_over() || last;
  }
  return last;
}

std::size_t cell_table::size() const noexcept {
  std::size_t sum = 0;
  for (const shard& s : shards_) sum += s.live.load(std::memory_order_relaxed);
  return sum;
}

local_target_ptr cell_table::find(std::uint64_t id) const noexcept {
  slot* const s = slot_of(number_of(id));
  if (!s) return {};
  cell* found = nullptr;
  {
    const std::lock_guard hold(s->lock);
    if (s->there && s->there->id() == id) {
      found = s->there;
      found->hold();
    }
  }
  if (!found) return {};
  local_target_ptr ref(found);
  found->unhold();
  return ref;
}

std::vector<local_target_ptr> cell_table::everybody() const {
  std::vector<cell*> held;
  visit([&held](cell& c) {
    held.push_back(&c);
    c.hold();
  });
  std::vector<local_target_ptr> all;
  all.reserve(held.size());
  for (cell* const c : held) {
    all.emplace_back(c);
    c->unhold();
  }
  return all;
}

void cell_table::visit(const std::function<void(cell&)>& visit) const {
  for (const shard& sh : shards_) {
    const std::uint32_t made = sh.made.load(std::memory_order_acquire);
    for (std::uint32_t index = 0; index < made;) {
      const place at = place_of(index, first_segment);
      slot* const segment = sh.segments[at.segment].load(std::memory_order_acquire);
      for (std::uint32_t i = 0; i < first_segment << at.segment; ++i, ++index) {
        const std::lock_guard hold(segment[i].lock);
        if (segment[i].there) visit(*segment[i].there);
      }
    }
  }
}

}  // namespace tandem::actors::detail
