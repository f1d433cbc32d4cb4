// A gRPC client that says to a node whatever a test wants.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <tandem/cluster/v1/link.grpc.pb.h>

#include "transport.hpp"

namespace tandem::cluster::internal {

class rogue {
 public:
  explicit rogue(const transport& victim,
                 const std::shared_ptr<grpc::ChannelCredentials>& identity = grpc::InsecureChannelCredentials())
      : rogue(victim.own_name(), victim.port(), identity) {}
  rogue(const std::string& victim, std::uint16_t port,
        const std::shared_ptr<grpc::ChannelCredentials>& identity = grpc::InsecureChannelCredentials())
      : stub_(v1::Link::NewStub(channel(victim, port, identity))), stream_(stub_->Open(&context_)) {}
  ~rogue() { context_.TryCancel(); }

  void say(const v1::Frame& frame) { stream_->Write(frame); }
  void say_hello(const std::string& name) { say(hello(name)); }
  void say_records(std::string bytes) {
    v1::Frame frame;
    frame.set_records(std::move(bytes));
    say(frame);
  }

  /// Reads to the end and returns the status.
  grpc::Status outcome() {
    for (v1::Frame ignored; stream_->Read(&ignored);) {
    }
    return stream_->Finish();
  }
  /// Waits for the next frame.
  bool hear(v1::Frame& frame) { return stream_->Read(&frame); }
  bool is_accepted() {
    v1::Frame first;
    return stream_->Read(&first) && first.has_hello();
  }

  static v1::Frame hello(const std::string& name) {
    v1::Frame frame;
    auto& h = *frame.mutable_hello();
    h.set_protocol_version(1);
    h.set_cluster_name("tandem");
    h.set_node_name(name);
    h.set_incarnation(77);
    h.set_receive_window_bytes(1 << 20);
    h.set_max_record_bytes(1 << 20);
    return frame;
  }

 private:
  static std::shared_ptr<grpc::Channel> channel(const std::string& victim, std::uint16_t port,
                                                const std::shared_ptr<grpc::ChannelCredentials>& identity) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetSslTargetNameOverride(victim);
    return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port), identity, arguments);
  }

  grpc::ClientContext context_;
  std::unique_ptr<v1::Link::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::Frame, v1::Frame>> stream_;
};

}  // namespace tandem::cluster::internal
