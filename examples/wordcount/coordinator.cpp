#include "coordinator.hpp"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <tandem/csp/group.hpp>
#include <tandem/csp/pipeline.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/sleep.hpp>

#include "all_nodes.hpp"
#include "collect.hpp"
#include "members.hpp"
#include "shard_keeper.hpp"

namespace wordcount {
namespace {

using namespace std::chrono_literals;
using tandem::fail;
using tandem::result;
using tandem::task;
namespace csp = tandem::csp;

/// A chunk to be mapped for all shards, or for those that miss it.
struct chunk_work {
  chunk* what = nullptr;
  std::vector<std::uint32_t> shards;  // empty: all
};

std::string new_job_id(const std::string& node) {
  std::random_device random;
  return fmt::format("{}-{:08x}{:08x}", node, random(), random());
}

/// What calls on the blocking pool work on. They share it, because one that is under way when the count is cancelled
/// outlives the count.
struct input {
  std::vector<input_file> files;
  std::deque<chunk> chunks;  // by id; grows in plan() only, and what is in it stays where it is
};

/// Waits a little longer after each failure.
tandem::duration back_off(unsigned failures) {
  return std::min<tandem::duration>(500ms, 10ms * (1U << std::min(failures, 6U)));
}

class job {
 public:
  job(tandem::cluster::node& here, csp::receiver<tandem::cluster::node_event> events, const count_options& options,
      std::vector<input_file> files, progress& out)
      : options_(options),
        out_(out),
        input_(std::make_shared<input>()),
        id_(new_job_id(here.name())),
        nodes_(here),
        shards_(nodes_, std::move(events), id_, static_cast<std::uint32_t>(nodes_.all().size() * shards_per_node),
                out) {
    input_->files = std::move(files);
  }

  task<result<report>> run() {
    result<report> outcome = fail(tandem::errc::cancelled);
    csp::group together;
    together.go(shards_.run(), "shard keeper");
    together.go(out_.show(), "progress");
    auto counting = [&]() -> task<result<void>> {
      outcome = co_await count();
      if (!outcome) co_return fail(outcome.error());
      together.cancel();  // the others run until they are told to stop
      co_return result<void>();
    };
    together.go(std::move(counting), "count");
    const auto ended = co_await together.wait();
    if (!outcome && !ended) co_return fail(ended.error());
    co_return outcome;
  }

 private:
  task<result<report>> count();
  task<result<void>> map_files();
  task<result<void>> map_again(const missing_chunks& missing);
  task<result<void>> plan(file_batch batch, const csp::sender<chunk_work>& into);
  task<result<void>> map_chunk(chunk_work work);
  task<result<void>> collect_totals();
  task<> end(report& into);
  void kill_if_it_is_time();
  [[nodiscard]] std::size_t chunks_at_a_time() const { return 2 * mappers_per_node * nodes_.all().size(); }

  const count_options& options_;
  progress& out_;
  const std::shared_ptr<input> input_;
  const chunk_sizes sizes_;
  const std::string id_;
  members nodes_;
  shard_keeper shards_;
  node_statuses before_;
  std::uint64_t bytes_found_ = 0;
  std::atomic<std::uint64_t> words_mapped_{0};
  std::atomic<std::uint64_t> chunks_mapped_again_{0};
  std::atomic<bool> killed_{false};
  report report_;
};

task<result<report>> job::count() {
  TANDEM_CO_TRY(co_await wait_for_all(nodes_, options_.wait, options_.allow_missing, out_));
  before_ = co_await ask_statuses(nodes_);
  TANDEM_CO_TRY(co_await shards_.create_all());

  for (const input_file& file : input_->files) bytes_found_ += file.bytes;
  const tandem::time_point start = tandem::now();
  out_.start(bytes_found_);
  TANDEM_CO_TRY(co_await map_files());
  TANDEM_CO_TRY(co_await collect_totals());
  report_.elapsed = tandem::now() - start;

  std::uint64_t words_counted = 0;
  for (const auto& [word, count] : report_.counts) words_counted += count;
  if (words_counted != words_mapped_)
    co_return fail(tandem::errc::internal, fmt::format("the mappers saw {} words and the shards counted {}",
                                                       words_mapped_.load(), words_counted));
  co_await end(report_);
  co_return std::move(report_);
}

// The job's main pipeline: files -> batches -> chunks -> mappers. The files' bytes are in memory only from the moment a
// mapper is about to get them, and only for so many chunks at a time.
task<result<void>> job::map_files() {
  auto planned = [this](file_batch batch, const csp::sender<chunk_work>& into) { return plan(batch, into); };
  auto mapped = [this](chunk_work work) { return map_chunk(std::move(work)); };
  auto mapping = csp::from(make_batches(input_->files, sizes_))
                     .flat_map<chunk_work>(1, std::move(planned))
                     .for_each(chunks_at_a_time(), std::move(mapped));
  co_return co_await std::move(mapping).run();
}

task<result<void>> job::map_again(const missing_chunks& missing) {
  std::vector<chunk_work> all;
  for (const auto& [id, shards] : missing) {
    chunk_work work;
    work.what = &input_->chunks[id];
    work.shards = shards;
    all.push_back(std::move(work));
  }
  out_.milestone(fmt::format("{} chunk{} mapped again, for shards that miss {}", all.size(),
                             all.size() == 1 ? " is" : "s are", all.size() == 1 ? "it" : "them"));
  chunks_mapped_again_ += all.size();
  auto mapped = [this](chunk_work work) { return map_chunk(std::move(work)); };
  auto mapping = csp::from(std::move(all)).for_each(chunks_at_a_time(), std::move(mapped));
  co_return co_await std::move(mapping).run();
}

task<result<void>> job::plan(file_batch batch, const csp::sender<chunk_work>& into) {
  auto planning = tandem::run_blocking([shared = input_, batch, sizes = sizes_, until = tandem::this_task::context()] {
    return plan_chunks(batch, shared->files, sizes, until);
  });
  TANDEM_CO_TRY_ASSIGN(std::vector<chunk> planned, co_await planning.join());
  for (std::size_t i = batch.first; i < batch.end; ++i)
    if (const auto& problem = input_->files[i].problem) out_.problem(problem);
  for (chunk& made : planned) {
    made.id = input_->chunks.size();
    chunk_work work;
    work.what = &input_->chunks.emplace_back(std::move(made));
    TANDEM_CO_TRY(co_await into.send(std::move(work)));
  }
  co_return result<void>();
}

task<result<void>> job::map_chunk(chunk_work work) {
  constexpr unsigned most_attempts = 20;
  const bool first_time = work.shards.empty();
  chunk& what = *work.what;
  const std::vector<piece> planned = what.pieces;
  tandem::error why;
  for (unsigned attempt = 0; attempt < most_attempts; ++attempt) {
    auto reading = tandem::run_blocking([shared = input_, &what] { return read_chunk(what, shared->files); });
    TANDEM_CO_TRY_ASSIGN(std::string text, co_await reading.join());
    if (attempt == 0 && what.pieces.size() < planned.size())
      for (const piece& part : planned)
        if (const auto& problem = input_->files[part.file].problem) out_.problem(problem);

    v1::Chunk message;
    message.set_job(id_);
    message.set_chunk(what.id);
    message.set_shard_count(shards_.count());
    for (v1::ShardPlace& place : shards_.places())
      if (first_time || std::ranges::find(work.shards, place.shard()) != work.shards.end())
        *message.add_shards() = std::move(place);
    message.set_text(std::move(text));
    auto mapped = co_await nodes_.map(std::move(message));
    if (mapped) {
      if (first_time) {
        words_mapped_ += mapped->words();
        out_.chunk_done(what.bytes());
        kill_if_it_is_time();
      }
      co_return result<void>();
    }
    why = std::move(mapped).error();
    TANDEM_CO_TRY(co_await tandem::sleep_for(back_off(attempt)));
  }
  co_return fail(tandem::wrap(why, fmt::format("chunk {} could not be mapped in {} attempts", what.id, most_attempts)));
}

// Until every shard has given its totals: ask those that have not, and have mapped again what they miss. Losing a node
// meanwhile only means more to do; it ends because some node is always up: this one.
task<result<void>> job::collect_totals() {
  constexpr unsigned most_rounds_without_progress = 25;
  std::pair<std::size_t, std::uint64_t> last_state;
  for (unsigned stalled = 0;;) {
    const auto open = shards_.not_collected();
    if (open.empty()) break;
    const std::pair state(open.size(), shards_.creations());
    stalled = state == last_state ? stalled + 1 : 0;
    last_state = state;

    missing_chunks missing;
    tandem::error why;
    auto ask = [this](std::uint32_t shard) { return collect_shard(shards_, shard, input_->chunks.size()); };
    auto take = [&](shard_totals got) {
      if (got.why) why = std::move(got.why);
      for (const auto& [first, last] : got.missing)
        for (std::uint64_t id = first; id <= last; ++id) missing[id].push_back(got.shard);
      if (!got.complete) return;
      std::ranges::move(got.counts, std::back_inserter(report_.counts));
      shards_.set_collected(got.shard);
    };
    auto asking = csp::from(open).map(open.size(), std::move(ask)).for_each(std::move(take));
    TANDEM_CO_TRY(co_await std::move(asking).run());

    if (!missing.empty()) TANDEM_CO_TRY(co_await map_again(missing));
    if (stalled >= most_rounds_without_progress)
      co_return fail(tandem::wrap(why, "the totals of the shards could not be collected"));
    if (missing.empty() && why) TANDEM_CO_TRY(co_await tandem::sleep_for(back_off(stalled)));
  }
  std::ranges::sort(report_.counts);
  co_return result<void>();
}

// What the nodes sent, and the end of the job on all of them.
task<> job::end(report& into) {
  const node_statuses after = co_await ask_statuses(nodes_);
  for (const std::string& node : nodes_.all()) {
    const auto was = before_.find(node);
    const auto is = after.find(node);
    if (was == before_.end()) continue;  // it was not there
    if (is == after.end()) {
      into.silent_nodes.push_back(node);
      continue;
    }
    const bool same_life = is->second.messages_sent() >= was->second.messages_sent();
    into.messages += is->second.messages_sent() - (same_life ? was->second.messages_sent() : 0);
    into.wire_bytes += is->second.bytes_sent() - (same_life ? was->second.bytes_sent() : 0);
  }
  co_await end_job_on_all(nodes_, id_);

  for (const input_file& file : input_->files) {
    if (file.problem) {
      ++into.files_skipped;
    } else {
      into.files.push_back(file.path);
      into.bytes += file.bytes;
    }
  }
  into.words = words_mapped_;
  into.chunks = input_->chunks.size();
  into.chunks_mapped_again = chunks_mapped_again_;
}

void job::kill_if_it_is_time() {
  if (options_.kill_at_third == 0 || out_.bytes_done() * 3 < bytes_found_ || killed_.exchange(true)) return;
  if (kill(options_.kill_at_third, SIGKILL) == 0) {
    out_.milestone(fmt::format("a third is counted: killed process {}, as asked", options_.kill_at_third));
  } else {
    out_.milestone(fmt::format("wordcount: cannot kill process {}: {}", options_.kill_at_third,
                               std::generic_category().message(errno)));
  }
}

}  // namespace

task<result<report>> count_words_of(tandem::cluster::node& here, csp::receiver<tandem::cluster::node_event> events,
                                    const count_options& options, std::vector<input_file> files, progress& out) {
  job counted(here, std::move(events), options, std::move(files), out);
  co_return co_await counted.run();
}

}  // namespace wordcount
