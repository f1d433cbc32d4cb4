#include <tandem/errors/code_journal.hpp>

#include <algorithm>
#include <utility>

#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>

#include "shorten.hpp"

namespace tandem {

namespace {

// True if nothing was wrapped around the error since it was received.
bool came_from_elsewhere(const error& e) noexcept { return !e.first_layer().received().empty(); }

}  // namespace

code_journal::code_journal(journal_options options)
    : capacity_(options.capacity), max_entry_bytes_(std::max(options.max_entry_bytes, internal::least_shortened_bytes)),
      now_(options.now ? std::move(options.now) : [] { return std::chrono::system_clock::now(); }) {}

std::string code_journal::record(const error& e) {
  if (!e) return {};
  std::string code = short_code(e);
  if (capacity_ == 0) return code;

  const bool received = came_from_elsewhere(e);
  entry_list fresh;
  held_entry& added = fresh.emplace_back();
  added.entry.code = code;
  added.entry.count = 1;
  added.bytes = internal::bytes_held(e, max_entry_bytes_);
  added.entry.shortened = added.bytes > max_entry_bytes_;
  if (added.entry.shortened) {
    added.entry.latest = internal::shorten(e, max_entry_bytes_);
    added.bytes = internal::bytes_held(added.entry.latest, max_entry_bytes_);
  } else {
    added.entry.latest = e;
  }

  entry_list gone;  // destroyed after unlocking: a payload's destructor is other people's code
  {
    const std::lock_guard hold(lock_);
    added.entry.first_seen = added.entry.last_seen = now_();
    const auto [place, is_new] = by_code_.try_emplace(code, fresh.begin());
    // Nothing throws from here on.
    if (!is_new) {
      code_entry& before = place->second->entry;
      // A code that came with an error is its sender's claim: it must not push out what happened here.
      if (received && !came_from_elsewhere(before.latest)) {
        ++before.count;
        before.last_seen = added.entry.last_seen;
        entries_.splice(entries_.begin(), entries_, place->second);
        return code;
      }
      added.entry.count += before.count;
      added.entry.first_seen = before.first_seen;
      held_bytes_ -= place->second->bytes;
      gone.splice(gone.begin(), entries_, place->second);
      place->second = fresh.begin();
    } else if (entries_.size() == capacity_) {
      by_code_.erase(entries_.back().entry.code);
      held_bytes_ -= entries_.back().bytes;
      ++evicted_;
      gone.splice(gone.begin(), entries_, std::prev(entries_.end()));
    }
    held_bytes_ += added.bytes;
    entries_.splice(entries_.begin(), fresh);
  }
  return code;
}

std::optional<code_entry> code_journal::find(std::string_view typed) const {
  const auto code = normalise_code(typed);
  if (!code) return std::nullopt;
  const std::lock_guard hold(lock_);
  const auto place = by_code_.find(*code);
  if (place == by_code_.end()) return std::nullopt;
  return place->second->entry;
}

std::vector<code_entry> code_journal::snapshot() const {
  std::vector<code_entry> all;
  const std::lock_guard hold(lock_);
  all.reserve(entries_.size());
  for (const held_entry& held : entries_) all.push_back(held.entry);
  return all;
}

std::uint64_t code_journal::evicted() const {
  const std::lock_guard hold(lock_);
  return evicted_;
}

std::size_t code_journal::held_bytes() const {
  const std::lock_guard hold(lock_);
  return held_bytes_;
}

code_journal& process_journal() {
  static code_journal& only = *new code_journal;
  return only;
}

}  // namespace tandem
