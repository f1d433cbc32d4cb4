#include "shard_keeper.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <tandem/csp/select.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/context.hpp>

namespace wordcount {

using namespace std::chrono_literals;
using tandem::cluster::node_event;

namespace {
constexpr auto create_limit = 5s;
constexpr auto lookup_limit = 2s;
}  // namespace

shard_keeper::shard_keeper(members& nodes, tandem::csp::receiver<node_event> events, std::string job,
                           std::uint32_t shard_count, progress& out)
    : nodes_(nodes), events_(std::move(events)), job_(std::move(job)), out_(out), entries_(shard_count) {
  // Reports beyond this are dropped: whoever still misses the shard reports it again.
  constexpr std::size_t reports_to_keep = 64;
  std::tie(report_, reports_) = tandem::csp::make_channel<loss>(reports_to_keep);
}

tandem::task<tandem::result<void>> shard_keeper::create_all() {
  for (std::uint32_t shard = 0; shard < count(); ++shard) TANDEM_CO_TRY(co_await create(shard));
  co_return tandem::result<void>();
}

tandem::task<tandem::result<void>> shard_keeper::run() {
  enum { node_changed, shard_missed };
  for (;;) {
    auto chosen = co_await tandem::csp::select(tandem::csp::on_recv(events_), tandem::csp::on_recv(reports_));
    if (!chosen) co_return tandem::fail(std::move(chosen).error());
    if (chosen->index() == node_changed) {
      tandem::result<node_event>& event = std::get<node_changed>(*chosen);
      if (!event) co_return tandem::fail(std::move(event).error());
      TANDEM_CO_TRY(co_await on_event(std::move(*event)));
    } else if (tandem::result<loss>& reported = std::get<shard_missed>(*chosen)) {
      const view now = look(reported->shard);
      if (!now.ref || now.generation != reported->generation) continue;  // replaced meanwhile
      out_.milestone(fmt::format("shard {} is not on node {} any more; it moves", reported->shard, now.place.node()));
      std::vector<std::uint32_t> lost;
      lost.push_back(reported->shard);
      TANDEM_CO_TRY(co_await replace(std::move(lost)));
    }
  }
}

tandem::task<tandem::result<void>> shard_keeper::on_event(node_event event) {
  switch (event.what) {
    case node_event::kind::up:
      nodes_.set_up(event.node, true);
      out_.nodes_up(nodes_.live().size());
      out_.milestone(fmt::format("node {} is up", event.node));
      break;
    case node_event::kind::problem: out_.problem(event.why); break;
    case node_event::kind::down: {
      nodes_.set_up(event.node, false);
      out_.nodes_up(nodes_.live().size());
      auto lost = forget_shards_on(event.node);
      if (lost.empty()) {
        out_.milestone(fmt::format("node {} is down: {}", event.node, event.why));
        break;
      }
      std::vector<std::uint32_t> moved = lost;
      TANDEM_CO_TRY(co_await replace(std::move(lost)));
      std::set<std::string> to;
      for (const std::uint32_t shard : moved) to.insert(look(shard).place.node());
      out_.milestone(
          fmt::format("node {} is down: {}; its shards move to {}", event.node, event.why, fmt::join(to, ", ")));
    }
  }
  co_return tandem::result<void>();
}

tandem::task<tandem::result<void>> shard_keeper::replace(std::vector<std::uint32_t> lost) {
  for (const std::uint32_t shard : lost) {
    {
      const std::lock_guard lock(mutex_);
      entries_[shard].ref = {};
      entries_[shard].node.clear();
      ++entries_[shard].generation;
    }
    TANDEM_CO_TRY(co_await create(shard));
  }
  co_return tandem::result<void>();
}

tandem::task<tandem::result<void>> shard_keeper::create(std::uint32_t shard) {
  const std::string name = shard_name(job_, shard, look(shard).generation);
  tandem::error why;
  for (const std::string& node : least_loaded_first()) {
    auto made = co_await create_on(node, name);
    if (made) {
      unsigned generation = 0;
      {
        const std::lock_guard lock(mutex_);
        entry& at = entries_[shard];
        at.node = node;
        at.name = name;
        at.ref = std::move(*made);
        generation = at.generation;
        ++creations_;
      }
      // If the node went down before the entry was there, its event found nothing to move.
      if (!nodes_.is_up(node)) report_lost(shard, generation);
      co_return tandem::result<void>();
    }
    why = std::move(made).error();
    const tandem::error over = tandem::this_task::context().why();
    if (over) co_return tandem::fail(over);
  }
  co_return tandem::fail(tandem::wrap(why, fmt::format("no node can take shard {}", shard)));
}

tandem::task<tandem::result<shard_ref>> shard_keeper::create_on(std::string node, std::string name) {
  TANDEM_CO_TRY_ASSIGN(const host_ref host, co_await nodes_.host_of(node));
  v1::CreateShard request;
  request.set_job(job_);
  request.set_name(name);
  request.set_coordinator(nodes_.here().name());
  TANDEM_CO_TRY(co_await host.ask(std::move(request), create_limit));
  co_return co_await nodes_.here().lookup<shard_ref>(std::move(node), std::move(name), lookup_limit);
}

tandem::task<tandem::result<shard_ref>> shard_keeper::find_again(v1::ShardPlace place) {
  co_return co_await nodes_.here().lookup<shard_ref>(place.node(), place.name(), lookup_limit);
}

void shard_keeper::report_lost(std::uint32_t shard, unsigned generation) {
  loss lost;
  lost.shard = shard;
  lost.generation = generation;
  (void)report_.try_send(lost);
}

void shard_keeper::set_collected(std::uint32_t shard) {
  const std::lock_guard lock(mutex_);
  entries_[shard].collected = true;
}

shard_keeper::view shard_keeper::look(std::uint32_t shard) const {
  const std::lock_guard lock(mutex_);
  const entry& at = entries_[shard];
  view now;
  now.place.set_shard(shard);
  now.place.set_node(at.node);
  now.place.set_name(at.name);
  now.ref = at.ref;
  now.generation = at.generation;
  return now;
}

std::vector<v1::ShardPlace> shard_keeper::places() const {
  std::vector<v1::ShardPlace> all;
  for (std::uint32_t shard = 0; shard < count(); ++shard) {
    view now = look(shard);
    if (now.ref) all.push_back(std::move(now.place));
  }
  return all;
}

std::vector<std::uint32_t> shard_keeper::not_collected() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint32_t> open;
  for (std::uint32_t shard = 0; shard < entries_.size(); ++shard)
    if (!entries_[shard].collected) open.push_back(shard);
  return open;
}

std::uint64_t shard_keeper::creations() const {
  const std::lock_guard lock(mutex_);
  return creations_;
}

std::vector<std::uint32_t> shard_keeper::forget_shards_on(const std::string& node) {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint32_t> lost;
  for (std::uint32_t shard = 0; shard < entries_.size(); ++shard) {
    entry& at = entries_[shard];
    if (at.node != node || at.collected) continue;
    at.ref = {};
    at.node.clear();
    lost.push_back(shard);
  }
  return lost;
}

std::vector<std::string> shard_keeper::least_loaded_first() const {
  std::map<std::string, unsigned> shards_of;
  for (const std::string& node : nodes_.live()) shards_of[node] = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const entry& at : entries_)
      if (const auto found = shards_of.find(at.node); found != shards_of.end()) ++found->second;
  }
  std::vector<std::string> nodes = nodes_.live();
  std::ranges::stable_sort(nodes, {}, [&](const std::string& node) { return shards_of[node]; });
  return nodes;
}

}  // namespace wordcount
