#include "all_nodes.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include <tandem/runtime/sleep.hpp>

namespace wordcount {
namespace {

using namespace std::chrono_literals;
using tandem::result;
using tandem::task;

constexpr auto host_limit = 2s;

/// "node n2 is not connected to node n3", of the first such pair; no error if every node that is up sees all the others.
tandem::error missing_link(const node_statuses& all, const std::vector<std::string>& up) {
  for (const std::string& node : up) {
    const auto status = all.find(node);
    if (status == all.end())
      return tandem::make_error(tandem::errc::unavailable, fmt::format("the word count on node {} does not answer", node));
    const auto& seen = status->second.peers();
    for (const std::string& other : up)
      if (other != node && std::ranges::find(seen, other) == seen.end())
        return tandem::make_error(tandem::errc::unavailable,
                                  fmt::format("node {} is not connected to node {}; what do their logs say?", node, other));
  }
  return {};
}

}  // namespace

task<result<void>> wait_for_all(members& nodes, tandem::time_point until, bool allow_missing, progress& out) {
  for (const std::string& node : nodes.all()) {
    const auto there = co_await nodes.here().wait_for(node, std::max<tandem::duration>(until - tandem::now(), 1ms));
    if (there) {
      nodes.set_up(node, true);
    } else if (!allow_missing || !there.error().is(tandem::errc::unavailable)) {
      co_return tandem::fail(tandem::with_message(
          there.error(), "not all nodes are there (start them all, or count without the missing: --allow-missing)"));
    } else {
      out.milestone(fmt::format("counting without node {}", node));
    }
  }
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
