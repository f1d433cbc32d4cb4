#include <tandem/sync/detail/pool_core.hpp>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

#include "pool_registry.hpp"

namespace tandem::sync::detail {
namespace {

using internal::pool_registry;

constexpr std::uint32_t operations_between_looks = 64;  // at the clock, which costs more than the rest

// A thread's parts, by the slots of their pools.
struct own_parts {
  struct entry {
    std::uint64_t id;
    pool_part* part;
  };
  entry* entries;
  std::size_t size;
  bool gone;  // the thread is past giving its parts back
};
constinit thread_local own_parts own{};

}  // namespace

// Objects on their way to be freed, once no lock is held; the core may be gone by then.
class pool_core::doomed {
 public:
  doomed() = default;
  doomed(const doomed&) = delete;
  doomed& operator=(const doomed&) = delete;
  ~doomed() {
    while (count_ > 0) free_(objects_[--count_], argument_);
  }
  void add(void* object, const pool_core& of) noexcept {
    free_ = of.free_;
    argument_ = of.argument_;
    objects_[count_++] = object;
  }
  [[nodiscard]] bool full() const noexcept { return count_ == objects_.size(); }

 private:
  free_function free_ = nullptr;
  std::size_t argument_ = 0;
  std::array<void*, 64> objects_;
  std::size_t count_ = 0;
};

// Apart from the table, because a variable with a destructor costs a call at each use.
struct pool_core::leave_at_end {
  ~leave_at_end() {
    own.gone = true;  // what destructors return from here on goes to the shared part
    for (std::size_t slot = 0; slot < own.size; ++slot) {
      const auto [id, part] = std::exchange(own.entries[slot], {});
      if (!part) continue;
      doomed rest;
      pool_registry::instance().visit(slot, id, [&, p = part](pool_core& core) { core.leave(*p, rest); });
    }
    delete[] own.entries;
    own = {nullptr, 0, true};
  }
};

namespace {

void make_room_for(std::size_t slot) {
  if (slot < own.size) return;
  const std::size_t size = std::max<std::size_t>(2 * own.size, slot + 8);
  auto* const entries = new own_parts::entry[size]{};
  std::copy_n(own.entries, own.size, entries);
  delete[] std::exchange(own.entries, entries);
  own.size = size;
}

}  // namespace

pool_core::pool_core(free_function free, std::size_t argument, const pool_limits& limits)
    : free_(free),
      argument_(argument),
      limits_(limits),
      id_(pool_registry::instance().next_id()),
      slot_([&] {
        if (limits.generation <= duration::zero())
          throw std::invalid_argument(
              "tandem: a pool's generation takes some time; to keep it for ever, duration::max()");
        return pool_registry::instance().add(*this, id_);
      }()),
      ends_(deadline_in(limits.generation).time_since_epoch().count()) {}

pool_core::~pool_core() {
  pool_registry::instance().remove(slot_);
  while (parts_) delete std::exchange(parts_, parts_->next);
}

void* pool_core::take() {
  pool_part* const part = own_part();
  if (part) {
    const std::lock_guard hold(part->lock);
    ++part->out;
    if (part->count > 0) return part->idle[--part->count].object;
  }
  std::array<idle_object, pool_part::capacity> some;
  std::size_t n = 0;
  {
    const std::lock_guard hold(lock_);
    if (!part) ++out_;
    // As many as leave room for some to come back.
    const std::size_t wanted = part ? (limits_.most_of_thread + 1) / 2 : 1;
    while (n < wanted && !shared_.empty()) {
      some[n++] = shared_.back();
      shared_.pop_back();
    }
  }
  if (n == 0) return nullptr;
  if (n > 1) {
    const std::lock_guard hold(part->lock);  // it is still empty: only its thread puts objects there
    for (std::size_t i = n; i-- > 1;) part->idle[part->count++] = some[i];
  }
  return some[0].object;
}

void pool_core::give(void* object) noexcept {
  pool_part* part = nullptr;
  try {
    part = own_part();
  } catch (const std::bad_alloc&) {
    // Then it goes the other way.
  }
  if (!part) {
    give_without_part(object);
    return;
  }
  {
    const std::lock_guard hold(part->lock);
    const bool look = ++part->operations >= operations_between_looks;
    if (!look && !part->closed && (!object || part->count < limits_.most_of_thread)) [[likely]] {
      if (object) part->idle[part->count++] = {object, generation()};
      --part->out;
      return;  // G2
    }
  }
  give_slowly(*part, object);
}

void pool_core::give_slowly(pool_part& part, void* object) noexcept {
  bool look = false;
  {
    const std::lock_guard hold(part.lock);
    look = part.operations >= operations_between_looks;
    if (look) part.operations = 0;
  }
  // Before it is known whether there is room: what expires may hold loans of this pool, which come back to this part.
  if (look) notice_time();
  doomed rest;
  // A second time at most: only its thread puts objects there, and nothing is freed before the end.
  for (;;) {
    std::array<idle_object, pool_part::capacity> oldest;
    std::size_t n = 0;
    {
      const std::lock_guard hold(part.lock);
      if (part.closed) break;
      if (!object || part.count < limits_.most_of_thread) {
        if (object) part.idle[part.count++] = {object, generation()};
        --part.out;
        return;  // G2
      }
      n = (part.count + 1) / 2;
      std::copy_n(part.idle.begin(), n, oldest.begin());
      std::copy(part.idle.begin() + n, part.idle.begin() + part.count, part.idle.begin());
      part.count -= n;
    }
    const std::lock_guard hold(lock_);
    give_shared(oldest.data(), n, rest);
  }
  give_closed(object);
}

void pool_core::give_without_part(void* object) noexcept {
  doomed rest;
  {
    const std::lock_guard hold(lock_);
    if (!closed_) {
      const idle_object back{object, generation()};
      if (object) give_shared(&back, 1, rest);
      --out_;
      return;  // G2
    }
  }
  give_closed(object);
}

// The last one out takes the core with it (G2). Acquire and release: whatever others did with the core comes before.
void pool_core::give_closed(void* object) noexcept {
  if (object) free_(object, argument_);
  if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void pool_core::close() noexcept {
  std::vector<idle_object> idle;
  std::int64_t out = 0;
  {
    const std::lock_guard hold(lock_);
    closed_ = true;  // no part is added from now on
    out = out_;
    idle.swap(shared_);
  }
  for (const idle_object& o : idle) free_(o.object, argument_);
  for (pool_part* p = parts_; p; p = p->next) {
    doomed rest;
    const std::lock_guard hold(p->lock);
    p->closed = true;
    out += p->out;
    while (p->count > 0) rest.add(p->idle[--p->count].object, *this);
  }
  // What came back to closed parts has made left_ negative; each of the others will take it down by one.
  if (left_.fetch_add(out, std::memory_order_acq_rel) + out == 0) delete this;
}

void pool_core::trim() noexcept {
  generation_.fetch_add(1, std::memory_order_relaxed);  // a stamp for what is under the locks
  for (bool more = true; more;) {
    doomed some;
    more = take_expired(some);
  }
}

// True if there may be more.
bool pool_core::take_expired(doomed& into) noexcept {
  const std::lock_guard hold(lock_);
  const auto keep_or_doom = [&](idle_object* first, std::size_t count) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!into.full() && expired(first[i]))
        into.add(first[i].object, *this);
      else
        first[kept++] = first[i];
    }
    return kept;
  };
  shared_.resize(keep_or_doom(shared_.data(), shared_.size()));
  for (pool_part* p = parts_; p; p = p->next) {
    const std::lock_guard hold_part(p->lock);
    p->count = keep_or_doom(p->idle.data(), p->count);
  }
  return into.full();
}

bool pool_core::expired(const idle_object& o) const noexcept { return o.generation + 2 <= generation(); }

// Relaxed: an object that is stamped a moment too early or too late lives a generation more or less.
std::uint64_t pool_core::generation() const noexcept { return generation_.load(std::memory_order_relaxed); }

void pool_core::notice_time() noexcept {
  // Relaxed: one of those who see the end of a generation ends it.
  duration::rep end = ends_.load(std::memory_order_relaxed);
  if (now().time_since_epoch().count() < end) return;
  const duration::rep next = deadline_in(limits_.generation).time_since_epoch().count();
  if (ends_.compare_exchange_strong(end, next, std::memory_order_relaxed)) trim();
}

std::size_t pool_core::idle() const {
  const std::lock_guard hold(lock_);
  std::size_t n = shared_.size();
  for (pool_part* p = parts_; p; p = p->next) {
    const std::lock_guard hold_part(p->lock);
    n += p->count;
  }
  return n;
}

// Its thread ends. Called under the registry's lock, so the core lives.
void pool_core::leave(pool_part& part, doomed& rest) noexcept {
  const std::lock_guard hold(lock_);
  std::array<idle_object, pool_part::capacity> idle;
  std::size_t n = 0;
  {
    const std::lock_guard hold_part(part.lock);
    n = std::exchange(part.count, 0);
    std::copy_n(part.idle.begin(), n, idle.begin());
  }
  give_shared(idle.data(), n, rest);
  part.in_use = false;
}

// Under lock_.
void pool_core::give_shared(const idle_object* objects, std::size_t n, doomed& rest) noexcept {
  for (std::size_t i = 0; i < n; ++i) {
    try {
      if (!closed_ && shared_.size() < limits_.most_shared) {
        shared_.push_back(objects[i]);
        continue;
      }
    } catch (const std::bad_alloc&) {
      // No room to note it.
    }
    rest.add(objects[i].object, *this);
  }
}

// The calling thread's; null once the thread is past keeping any, or the pool is closed.
pool_part* pool_core::own_part() {
  if (slot_ < own.size && own.entries[slot_].id == id_) [[likely]]
    return own.entries[slot_].part;
  return make_part();
}

pool_part* pool_core::make_part() {
  if (own.gone) return nullptr;
  static thread_local leave_at_end at_end;
  asm volatile("" : : "r"(&at_end));  // its constructor does nothing that a compiler must keep
  make_room_for(slot_);
  const std::lock_guard hold(lock_);
  if (closed_) return nullptr;
  pool_part* part = parts_;
  while (part && part->in_use) part = part->next;
  if (!part) {
    part = new pool_part;
    part->next = std::exchange(parts_, part);
  }
  part->in_use = true;
  own.entries[slot_] = {id_, part};
  return part;
}

}  // namespace tandem::sync::detail
