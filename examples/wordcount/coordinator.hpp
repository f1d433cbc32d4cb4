// One count, from the files to the report: run by one node with the help of all.
#pragma once
#include <string>
#include <vector>

#include <tandem/cluster/node.hpp>
#include <tandem/csp/channel.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

#include "input.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"

namespace wordcount {

/// Counts `files` on `here` and the nodes it is connected to. `events` are those of `here`.
/// `here` and `out` must outlive the task. Files that turn out not to be readable are reported and left out.
///
/// Errors: errc::unavailable if a member is not there in time, with its last problem as the cause; errc::aborted if a
///         file changes while it is counted; what kept a chunk from being mapped, or a shard from being collected, for
///         many attempts; errc::cancelled.
[[nodiscard]] tandem::task<tandem::result<report>> count_words_of(
    tandem::cluster::node& here, tandem::csp::receiver<tandem::cluster::node_event> events,
    const count_options& options, std::vector<input_file> files, progress& out);

}  // namespace wordcount
