// R1: two processes on the loopback interface, one actor tells another. This program starts itself as the second
// process (`tandem_bench --serve …`).
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <csignal>
#include <fmt/format.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tandem/cluster/node.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/runtime.hpp>

#include "cluster_jobs.pb.h"
#include "job.hpp"

extern char** environ;

namespace bench {
namespace {

using namespace std::chrono_literals;
using tandem::result;
using tandem::task;
using tandem::bench::v1::Finish;
using tandem::bench::v1::Finished;
using tandem::bench::v1::Payload;

constexpr std::size_t body_bytes = 64;

// Counts what it is told.
class sink {
 public:
  using protocol = tandem::actors::protocol<void(Payload), Finished(Finish)>;
  void on(const Payload& p) {
    ++count_;
    bytes_ += p.body().size();
  }
  Finished on(Finish) {
    Finished f;
    f.set_count(count_);
    f.set_bytes(bytes_);
    return f;
  }

 private:
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
};

std::unique_ptr<tandem::cluster::node> start_node(tandem::actors::system& actors, std::string name, int own, int other) {
  tandem::cluster::node_options o;
  const std::string peer = name == "client" ? "server" : "client";
  o.name = std::move(name);
  o.listen_address = fmt::format("127.0.0.1:{}", own);
  o.members.emplace_back(peer, fmt::format("127.0.0.1:{}", other));
  o.insecure_plaintext = true;  // as the peers of this job
  auto node = tandem::cluster::node::start(actors, std::move(o));
  if (!node) {
    fmt::print(stderr, "tandem_bench: {}\n", node.error());
    std::_Exit(1);
  }
  return std::move(*node);
}

// Two ports nobody uses at the moment.
std::pair<int, int> free_ports() {
  int ports[2];
  int sockets[2];
  for (int i = 0; i < 2; ++i) {
    sockets[i] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof a;
    check(::bind(sockets[i], reinterpret_cast<sockaddr*>(&a), length) == 0, "bind");
    check(::getsockname(sockets[i], reinterpret_cast<sockaddr*>(&a), &length) == 0, "getsockname");
    ports[i] = ntohs(a.sin_port);
  }
  for (const int s : sockets) ::close(s);
  return {ports[0], ports[1]};
}

// This program again, as the serving process; killed when this one ends.
class server_process {
 public:
  server_process(unsigned workers, int own, int other) {
    std::vector<std::string> words{"tandem_bench", "--serve", fmt::format("{}", workers), fmt::format("{}", own),
                                   fmt::format("{}", other)};
    std::vector<char*> arguments;
    for (auto& w : words) arguments.push_back(w.data());
    arguments.push_back(nullptr);
    check(::posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, arguments.data(), environ) == 0, "spawn");
  }
  ~server_process() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  server_process(const server_process&) = delete;
  server_process& operator=(const server_process&) = delete;

 private:
  pid_t pid_ = 0;
};

task<result<double>> flood(tandem::cluster::node& node, std::int64_t n) {
  TANDEM_CO_TRY(co_await node.wait_for("server", 20s));
  auto found = co_await node.lookup<sink::protocol::ref>("server", "sink", 10s);
  if (!found) co_return tandem::fail(std::move(found).error());
  const auto& to = *found;
  const std::string body(body_bytes, 'x');
  const auto start = clock::now();
  for (std::int64_t i = 0; i < n; ++i) {
    Payload p;
    p.set_sequence(static_cast<std::uint64_t>(i));
    p.set_body(body);
    TANDEM_CO_TRY(co_await to.tell(std::move(p)));
  }
  const auto finished = co_await to.ask(Finish(), 60s);
  const double seconds = nanoseconds_since(start) / 1e9;
  if (!finished) co_return tandem::fail(finished.error());
  check(finished->count() == static_cast<std::uint64_t>(n), "every message was handled");
  check(finished->bytes() == static_cast<std::uint64_t>(n) * body_bytes, "every byte arrived");
  co_return static_cast<double>(n) / seconds;
}

void run_flood(unsigned threads) {
  const auto [client_port, server_port] = free_ports();
  const server_process server(threads, server_port, client_port);
  tandem::runtime rt({.workers = threads});
  tandem::actors::system actors(rt);
  const auto node = start_node(actors, "client", client_port, server_port);
  const auto rate = rt.block_on(flood(*node, count(1'000'000)));
  if (!rate) {
    fmt::print(stderr, "tandem_bench: {}\n", rate.error());
    std::_Exit(1);
  }
  report("R1-flood", threads, *rate, "msgs/s");
}

}  // namespace

int serve(int argc, char** argv) {
  check(argc == 5, "--serve WORKERS PORT CLIENT_PORT");
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  tandem::runtime rt({.workers = static_cast<unsigned>(std::atoi(argv[2]))});
  tandem::actors::system actors(rt);
  check(actors.register_name("sink", actors.spawn<sink>()).has_value(), "register");
  const auto node = start_node(actors, "server", std::atoi(argv[3]), std::atoi(argv[4]));
  for (;;) ::pause();  // until it is killed
}

void add_cluster_jobs(std::vector<job>& jobs) { jobs.push_back({"R1-flood", run_flood, {1, 2}}); }

}  // namespace bench
