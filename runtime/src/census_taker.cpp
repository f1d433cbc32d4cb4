#include "census_taker.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <tuple>
#include <utility>

#include "task_walk.hpp"

namespace tandem::detail {
namespace {

constexpr std::size_t most_groups = 512;

// Of tasks that differ in nothing else, so many names are told apart: actors may have a name each.
constexpr unsigned most_names = 4;

// Literals of several translation units may be equal.
bool same_text(const char* a, const char* b) noexcept { return a == b || (a && b && std::strcmp(a, b) == 0); }

bool same_place(const std::source_location& a, const std::source_location& b) noexcept {
  return a.line() == b.line() && same_text(a.file_name(), b.file_name());
}

bool alike_but_for_name(const task_group& a, const task_group& b) noexcept {
  return a.background == b.background && a.doing == b.doing && a.worker == b.worker && a.await_count == b.await_count &&
         std::equal(a.awaits.begin(), a.awaits.begin() + std::min(a.await_count, a.awaits.size()), b.awaits.begin()) &&
         same_place(a.site, b.site) && same_place(a.origin, b.origin) && same_text(a.waits_for, b.waits_for) &&
         same_text(a.actor, b.actor);
}

// Of what alike_but_for_name() compares, without texts.
std::size_t hash_of(const task_group& g) noexcept {
  std::size_t hash = 0;
  const auto mix = [&hash](std::size_t word) { hash = (hash ^ word) * 0x9e3779b97f4a7c15U; };
  mix(g.site.line());
  mix(g.origin.line());
  mix(static_cast<std::size_t>(g.doing));
  for (std::size_t i = 0; i < std::min(g.await_count, g.awaits.size()); ++i)
    mix(reinterpret_cast<std::size_t>(g.awaits[i]));
  return hash >> 32;
}

}  // namespace

census_taker::census_taker(std::vector<const task_record*> running, bool stopped,
                           const std::vector<std::uint64_t>& known)
    : running_(std::move(running)), stopped_(stopped), known_(known), slots_(2 * most_groups) {
  groups_.reserve(most_groups);
}

void census_taker::add(const task_record& task, const wait_kind* waits_for, const char* actor) noexcept {
  if (std::ranges::binary_search(known_, task.id)) return;
  task_group like;
  like.background = task.is_background();
  if (actor) {
    like.actor = actor;
  } else {
    like.site = task.origin().site;
  }
  if (waits_for) {
    like.doing = task_group::state::waiting;
    like.waits_for = waits_for->name;
    if (stopped_ && waits_for->origin) like.origin = waits_for->origin(task);
  } else if (const auto on = std::ranges::find(running_, &task); on != running_.end()) {
    like.doing = task_group::state::running;
    like.worker = static_cast<unsigned>(on - running_.begin());
  }
  if (stopped_) {
    visit_awaits(task, like.doing == task_group::state::running, [&like](const void* site) {
      if (like.await_count < like.awaits.size()) like.awaits[like.await_count] = site;
      ++like.await_count;
      return true;
    });
  }
  ++tasks_;
  add_to_group(like, task.name());
}

void census_taker::add_to_group(const task_group& like, const char* name) noexcept {
  unsigned names = 0;
  for (std::size_t i = hash_of(like);; ++i) {
    std::uint16_t& slot = slots_[i % slots_.size()];
    if (slot == 0) {
      if (groups_.size() == most_groups) return;
      task_group& made = groups_.emplace_back(like);  // within what was reserved
      slot = static_cast<std::uint16_t>(groups_.size());
      made.count = 1;
      std::strncpy(made.name.data(), name, task_group::longest_name);
      return;
    }
    task_group& g = groups_[slot - 1U];
    if (!alike_but_for_name(g, like)) continue;
    const bool same_name = std::strncmp(g.name.data(), name, task_group::longest_name) == 0;
    if (!same_name && ++names < most_names) continue;
    g.other_names |= !same_name;
    ++g.count;
    return;
  }
}

void census_taker::move_to(task_census& out) {
  std::ranges::sort(groups_, [](const task_group& a, const task_group& b) {
    const auto key = [](const task_group& g) {
      return std::tuple(~g.count, std::string_view(g.name.data()), std::string_view(g.site.file_name()), g.site.line());
    };
    return key(a) < key(b);
  });
  out.groups = std::move(groups_);
  out.tasks = tasks_;
}

void add_task(census_taker& out, const task_record& task, const wait_kind* waits_for, const char* actor) noexcept {
  out.add(task, waits_for, actor);
}

}  // namespace tandem::detail
