// What the coordinator asks every node: at the start whether they see each other, at the end what they sent.
#pragma once
#include <map>
#include <string>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

#include "members.hpp"
#include "progress.hpp"
#include "wire.hpp"

namespace wordcount {

/// Waits until all members are connected to this node and to each other, so that mappers reach every shard.
/// With `allow_missing` it goes on at `until` without what is not there by then.
/// Errors: errc::unavailable, naming who is missing or who does not see whom; errc::cancelled, errc::deadline_exceeded.
[[nodiscard]] tandem::task<tandem::result<void>> wait_for_all(members& nodes, tandem::time_point until,
                                                              bool allow_missing, progress& out);

/// What each node that is up says of itself; without those that do not answer.
using node_statuses = std::map<std::string, v1::NodeStatus>;
[[nodiscard]] tandem::task<node_statuses> ask_statuses(members& nodes);

/// Tells all nodes that are up that the job is over, so that they forget its shards.
[[nodiscard]] tandem::task<> end_job_on_all(members& nodes, std::string job);

}  // namespace wordcount
