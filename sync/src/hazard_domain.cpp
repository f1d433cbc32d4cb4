#include <tandem/sync/detail/hazard_domain.hpp>

#include <array>
#include <atomic>
#include <mutex>

namespace tandem::sync::detail {

constinit thread_local hazard_cache own_hazards;

namespace {

// Records come in blocks, which are never freed: a writer looks at all of them at any time.
struct record_block {
  std::array<hazard_record, 16> records;
  record_block* next;
};

class record_range {
 public:
  class iterator {
   public:
    explicit iterator(record_block* at) noexcept : block_(at) {}
    hazard_record& operator*() const noexcept { return block_->records[index_]; }
    iterator& operator++() noexcept {
      if (++index_ == block_->records.size()) {
        block_ = block_->next;
        index_ = 0;
      }
      return *this;
    }
    bool operator==(const iterator&) const = default;

   private:
    record_block* block_;
    std::size_t index_ = 0;
  };

  explicit record_range(const std::atomic<record_block*>& newest) noexcept : newest_(newest) {}
  // Read at each walk, as walks come after fences: a record that is missing then was made for a reader who comes after
  // the fence (Z3). Acquire pairs with the release in make_block(): what is in the block.
  [[nodiscard]] iterator begin() const noexcept { return iterator(newest_.load(std::memory_order_acquire)); }
  [[nodiscard]] iterator end() const noexcept { return iterator(nullptr); }

 private:
  const std::atomic<record_block*>& newest_;
};

class domain {
 public:
  // Before the first record can be had, so before anybody uses a light fence on one. Whoever uses a heavy fence comes
  // here first as well: both sides agree on which kind of pair it is.
  domain() { tandem::detail::sync::prepare_heavy_fence(); }

  [[nodiscard]] record_range records() const noexcept { return record_range(newest_); }

  hazard_record* take() {
    const std::lock_guard hold(free_lock_);
    if (!free_) make_block();
    hazard_record* const r = free_;
    free_ = r->next_free;
    return r;
  }

  // Up to half a cache full.
  std::size_t take_some(hazard_record*& first) {
    const std::lock_guard hold(free_lock_);
    if (!free_) make_block();
    std::size_t n = 0;
    while (free_ && n < hazard_cache::capacity / 2) {
      hazard_record* const r = free_;
      free_ = r->next_free;
      r->next_free = first;
      first = r;
      ++n;
    }
    return n;
  }

  void give(hazard_record& r) noexcept {
    const std::lock_guard hold(free_lock_);
    r.next_free = free_;
    free_ = &r;
  }

  void retire(retirable& old) noexcept {
    if (retirable* const done = handed_over_.retire(records(), old)) done->free_this(done);
  }

  void left_noted(hazard_record& r, const hazardous* old) noexcept {
    if (retirable* const done = handed_over_.left(records(), r, old)) done->free_this(done);
  }

  std::size_t count() const noexcept {
    std::size_t n = 0;
    for ([[maybe_unused]] const hazard_record& r : records()) ++n;
    return n;
  }

  std::size_t handed_over_count() noexcept { return handed_over_.count(); }

 private:
  void make_block() {
    auto* const made = new record_block();
    made->next = newest_.load(std::memory_order_relaxed);  // written under this lock only
    for (hazard_record& r : made->records) {
      r.next_free = free_;
      free_ = &r;
    }
    newest_.store(made, std::memory_order_release);  // pairs with the acquire in begin()
  }

  std::atomic<record_block*> newest_{nullptr};
  std::mutex free_lock_;
  hazard_record* free_ = nullptr;  // guarded by free_lock_
  handed_over handed_over_;
};

// Never destroyed: guards may be dropped after main().
domain& the_domain() {
  static domain* const instance = new domain;
  return *instance;
}

// Apart from the cache, because a variable with a destructor costs a call at each use.
struct return_at_end {
  ~return_at_end() {
    hazard_cache& mine = own_hazards;
    while (hazard_record* const r = mine.first) {
      mine.first = r->next_free;
      the_domain().give(*r);
    }
    mine.length = 0;
    mine.kept = false;
    mine.gone = true;
  }
};

void keep_cache() {
  static thread_local return_at_end at_end;
  own_hazards.kept = true;
  asm volatile("" : : "r"(&at_end));  // its constructor does nothing that a compiler must keep
}

}  // namespace

hazard_record* take_hazard_slowly() {
  hazard_cache& mine = own_hazards;
  if (mine.gone) return the_domain().take();
  if (!mine.kept) keep_cache();
  mine.length = the_domain().take_some(mine.first);
  hazard_record* const r = mine.first;
  mine.first = r->next_free;
  --mine.length;
  return r;
}

void give_hazard_slowly(hazard_record& r) noexcept {
  hazard_cache& mine = own_hazards;
  if (mine.gone) {
    the_domain().give(r);
    return;
  }
  if (!mine.kept) keep_cache();
  while (mine.length > hazard_cache::capacity / 2) {
    hazard_record* const spare = mine.first;
    mine.first = spare->next_free;
    --mine.length;
    the_domain().give(*spare);
  }
  r.next_free = mine.first;
  mine.first = &r;
  ++mine.length;
}

void retire(retirable& old) noexcept { the_domain().retire(old); }
void left_noted(hazard_record& r, const hazardous* old) noexcept { the_domain().left_noted(r, old); }
hazardous* take_unread(hazardous*& retired) noexcept { return take_unread(the_domain().records(), retired); }
std::size_t hazard_record_count() noexcept { return the_domain().count(); }
std::size_t handed_over_count() noexcept { return the_domain().handed_over_count(); }

}  // namespace tandem::sync::detail
