#include "all_nodes.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <tandem/csp/pipeline.hpp>
#include <tandem/runtime/sleep.hpp>

namespace wordcount {
namespace {

using namespace std::chrono_literals;
using tandem::result;
using tandem::task;

constexpr auto host_limit = 2s;

/// "node n2 is not connected to node n3", of the first such pair; no error if every node that is up sees all the
/// others.
tandem::error missing_link(const node_statuses& all, const std::vector<std::string>& up) {
  for (const std::string& node : up) {
    const auto status = all.find(node);
    if (status == all.end())
      return tandem::make_error(tandem::errc::unavailable,
                                fmt::format("the word count on node {} does not answer", node));
    const auto& seen = status->second.peers();
    for (const std::string& other : up)
      if (other != node && std::ranges::find(seen, other) == seen.end())
        return tandem::make_error(
            tandem::errc::unavailable,
            fmt::format("node {} is not connected to node {}; what do their logs say?", node, other));
  }
  return {};
}

struct arrival {
  std::string node;
  tandem::error missing;  // none: it is there
};

/// Waits for all members at once, and sets up those that come.
task<result<void>> wait_for_own_links(members& nodes, tandem::duration limit, bool allow_missing, progress& out) {
  auto wait = [&nodes, limit](std::string node) -> task<result<arrival>> {
    arrival at;
    at.node = std::move(node);
    const auto there = co_await nodes.here().wait_for(at.node, limit);
    if (!there) {
      at.missing = there.error();
      if (!at.missing.is(tandem::errc::unavailable)) co_return tandem::fail(at.missing);
    }
    co_return at;
  };
  std::vector<std::string> missing;
  tandem::error why;
  auto note = [&](arrival at) {
    nodes.set_up(at.node, !at.missing);
    if (!at.missing) return;
    missing.push_back(at.node);
    why = std::move(at.missing);
  };
  auto names = nodes.all();
  const std::size_t count = names.size();
  auto waiting = tandem::csp::from(std::move(names)).map(count, std::move(wait)).for_each(std::move(note));
  TANDEM_CO_TRY(co_await std::move(waiting).run());
  if (missing.empty()) co_return result<void>();

  std::ranges::sort(missing);
  if (!allow_missing)
    co_return tandem::fail(tandem::with_message(
        why,
        fmt::format("not all nodes are there (missing: {}); start them, or count without them with --allow-missing",
                    fmt::join(missing, ", "))));
  out.milestone(fmt::format("counting without {}", fmt::join(missing, ", ")));
  co_return result<void>();
}

}  // namespace

task<result<void>> wait_for_all(members& nodes, tandem::duration limit, bool allow_missing, progress& out) {
  const tandem::time_point until = tandem::deadline_in(limit);
  TANDEM_CO_TRY(co_await wait_for_own_links(nodes, limit, allow_missing, out));
  out.nodes_up(nodes.live().size());

  for (tandem::duration pause = 2ms;; pause = std::min<tandem::duration>(2 * pause, 100ms)) {
    const node_statuses all = co_await ask_statuses(nodes);
    const tandem::error missing = missing_link(all, nodes.live());
    if (!missing) co_return result<void>();
    if (tandem::now() >= until) {
      if (!allow_missing) co_return tandem::fail(missing);
      out.problem(missing);  // it costs time, not exactness: what is not told is mapped again
      co_return result<void>();
    }
    TANDEM_CO_TRY(co_await tandem::sleep_for(pause));
  }
}

task<node_statuses> ask_statuses(members& nodes) {
  node_statuses all;
  for (const std::string& node : nodes.live()) {
    const auto host = co_await nodes.host_of(node);
    if (!host) continue;
    auto reply = co_await host->ask(v1::GetNodeStatus(), host_limit);
    if (reply) all.emplace(node, std::move(*reply));
  }
  co_return all;
}

task<> end_job_on_all(members& nodes, std::string job) {
  for (const std::string& node : nodes.live()) {
    const auto host = co_await nodes.host_of(node);
    if (!host) continue;
    v1::EndJob request;
    request.set_job(job);
    (void)co_await host->ask(std::move(request), host_limit);  // a node that is lost has nothing to forget
  }
}

}  // namespace wordcount
