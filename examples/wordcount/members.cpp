#include "members.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace wordcount {

using namespace std::chrono_literals;

namespace {
// Long enough for any chunk on a busy machine. What is lost with a node fails at once and does not wait for this.
constexpr auto map_limit = 60s;
constexpr auto lookup_limit = 2s;
}  // namespace

members::members(tandem::cluster::node& here) : here_(here) {
  members_.push_back({here.name(), true});
  for (const auto& peer : here.peers()) members_.push_back({peer.name});
  std::ranges::sort(members_, {}, &member::name);
  for (std::size_t i = 0; i < members_.size(); ++i)
    for (unsigned k = 0; k < mappers_per_node; ++k) mappers_.push_back({i, mapper_name(k), {}, 0});
}

void members::set_up(std::string_view node, bool up) {
  const std::lock_guard lock(mutex_);
  for (member& m : members_) {
    if (m.name != node) continue;
    m.up = up || m.name == here_.name();
    m.avoid_until = {};
  }
}

bool members::is_up(std::string_view node) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(members_, [&](const member& m) { return m.up && m.name == node; });
}

std::vector<std::string> members::live() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const member& m : members_)
    if (m.up) names.push_back(m.name);
  return names;
}

std::vector<std::string> members::all() const {
  std::vector<std::string> names;
  for (const member& m : members_) names.push_back(m.name);
  return names;
}

std::size_t members::take_mapper() {
  const tandem::time_point now = tandem::now();
  const std::lock_guard lock(mutex_);
  const auto usable = [&](const mapper_entry& e) {
    const member& m = members_[e.member];
    return m.name == here_.name() || (m.up && m.avoid_until <= now);
  };
  // Beginning behind the last one, so that equally busy mappers take turns.
  std::size_t best = mappers_.size();
  for (std::size_t i = 1; i <= mappers_.size(); ++i) {
    const std::size_t candidate = (last_taken_ + i) % mappers_.size();
    if (!usable(mappers_[candidate])) continue;
    if (best == mappers_.size() || mappers_[candidate].outstanding < mappers_[best].outstanding) best = candidate;
  }
  ++mappers_[best].outstanding;
  return last_taken_ = best;
}

void members::give_back(std::size_t mapper, const mapper_ref& used, bool failed) {
  constexpr auto pause_after_failure = 300ms;
  const std::lock_guard lock(mutex_);
  mapper_entry& entry = mappers_[mapper];
  --entry.outstanding;
  entry.ref = failed ? mapper_ref() : used;
  if (failed) members_[entry.member].avoid_until = tandem::deadline_in(pause_after_failure);
}

tandem::task<tandem::result<v1::ChunkMapped>> members::map(v1::Chunk chunk) {
  const std::size_t taken = take_mapper();
  const std::string& node = members_[mappers_[taken].member].name;
  mapper_ref ref;
  {
    const std::lock_guard lock(mutex_);
    ref = mappers_[taken].ref;
  }
  tandem::result<v1::ChunkMapped> reply = tandem::fail(tandem::errc::unavailable);
  if (!ref) {
    auto found = co_await here_.lookup<mapper_ref>(node, mappers_[taken].name, lookup_limit);
    if (found) {
      ref = std::move(*found);
    } else {
      reply = tandem::fail(std::move(found).error());
    }
  }
  if (ref) reply = co_await ref.ask(std::move(chunk), map_limit);
  if (!reply) reply = tandem::fail(tandem::with_message(std::move(reply).error(), "mapping a chunk on node " + node));
  give_back(taken, ref, !reply);
  co_return reply;
}

tandem::task<tandem::result<host_ref>> members::host_of(std::string node) {
  co_return co_await here_.lookup<host_ref>(std::move(node), std::string(host_name), lookup_limit);
}

}  // namespace wordcount
