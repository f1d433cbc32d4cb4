#include "host.hpp"

#include <utility>

#include <tandem/actors/system.hpp>

#include "shard.hpp"

namespace wordcount {

tandem::result<v1::ShardCreated> host::on(v1::CreateShard request) {
  job& its_job = jobs_[request.job()];
  its_job.coordinator = request.coordinator();
  if (its_job.shards.contains(request.name())) return v1::ShardCreated();  // asked again: the answer was lost
  const shard_ref made = context_.system().spawn<shard>(tandem::actors::spawn_actor_options(request.name()), stats_);
  TANDEM_TRY(context_.system().register_name(request.name(), made));
  its_job.shards.emplace(request.name(), made);
  node_stats::add(stats_.shards_created, 1);
  return v1::ShardCreated();
}

tandem::task<tandem::result<v1::JobEnded>> host::on(v1::EndJob request) {
  v1::JobEnded reply;
  if (auto ended = jobs_.extract(request.job())) {
    reply.set_shards_stopped(static_cast<std::uint32_t>(ended.mapped().shards.size()));
    co_await stop(std::move(ended.mapped()));
  }
  co_return reply;
}

tandem::task<> host::on(v1::NodeDown down) {
  std::vector<std::string> orphaned;
  for (const auto& [id, its_job] : jobs_)
    if (its_job.coordinator == down.node()) orphaned.push_back(id);
  for (const std::string& id : orphaned) {
    auto ended = jobs_.extract(id);
    co_await stop(std::move(ended.mapped()));
  }
}

tandem::task<> host::stop(job ended) {
  for (const auto& [name, ref] : ended.shards) {
    context_.system().unregister_name(name);
    (void)co_await ref.tell(v1::StopShard());  // it may have ended already
  }
}

}  // namespace wordcount
