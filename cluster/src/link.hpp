// One stream between two nodes, from the first Hello to the end; dialed (client_link) or accepted (server_link).
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <tandem/cluster/v1/link.grpc.pb.h>

#include <tandem/errors/result.hpp>

#include "outbox.hpp"

namespace tandem::cluster::internal {

class hub;
class peer;

/// What both kinds of stream have in common. A link keeps itself alive until gRPC has called OnDone.
///
///   greeting --both Hellos have passed--> ready --(broken, refused, aborted, left)--> ending --OnDone--> gone
///
/// (L1) A stream ends (hold removed, or Finish called) once, and only with `ending_` set and no write announced; after
///      `ending_` no write is announced and no read started. So no call of gRPC's can meet a stream that is gone.
///
/// Threads: any, by a caller that holds a shared_ptr or is one of this link's reactions.
class link : public frame_sink, public std::enable_shared_from_this<link> {
 public:
  link(const link&) = delete;
  link& operator=(const link&) = delete;
  virtual ~link();

  /// Receives one frame, which goes to the peer. Nothing happens if the link is ending.
  void start_read();

  /// Ends the stream at once; `why` is what done reports. The first reason counts.
  void abort(error why);
  /// abort() if the Hellos have not passed yet.
  void abort_if_greeting(error why);
  /// Ends the stream after what has been written, because the peer said Goodbye.
  void end_left_by_peer(std::string reason);

  bool begin_write() final;
  void start_write(const v1::Frame& frame) final { raw_write(frame); }
  void end_after_goodbye() final { raw_end_writes(); }

  /// What the other side said of itself. Valid once the link is ready.
  [[nodiscard]] const v1::Hello& remote() const noexcept { return remote_; }
  /// Why the peer left, if it did. Owned by the peer's strand.
  [[nodiscard]] const std::optional<std::string>& goodbye() const noexcept { return goodbye_; }

 protected:
  explicit link(hub& owner);

  void begin();                    // first thing: the link now owns itself
  void say_hello();                // writes our Hello
  void refuse(grpc::Status why);   // ends an accepted stream that is not to become a link

  // Reactions, called by gRPC.
  void read_done(bool ok);
  void write_done(bool ok);
  void done(const grpc::Status& status);

  virtual void raw_read(v1::Frame* into) = 0;
  virtual void raw_write(const v1::Frame& frame) = 0;
  virtual void raw_end_writes() = 0;
  virtual void raw_cancel() = 0;                     // reads and writes in flight fail
  virtual void raw_end(const grpc::Status& why) = 0; // OnDone follows
  virtual void hello_received(const v1::Hello& hello) = 0;

  void end(grpc::Status status, bool cancel);
  void greeted();                  // remote_ and peer_ are set

  hub& hub_;
  peer* peer_ = nullptr;           // set before the link is ready, read by reactions that come later
  v1::Hello remote_;

 private:
  void end_if_idle();              // mutex_ is held
  void ready_if_greeted();

  v1::Frame hello_;
  std::shared_ptr<v1::Frame> incoming_;  // of the read in flight
  std::optional<std::string> goodbye_;

  std::mutex mutex_;               // guards everything below
  std::shared_ptr<link> self_;     // from begin() to done()
  bool hello_written_ = false;
  bool hello_accepted_ = false;
  bool ready_ = false;             // both
  bool writing_ = false;           // announced by begin_write(), not answered yet
  bool ending_ = false;
  bool ended_ = false;             // (L1)
  bool done_ = false;              // (L2) OnDone was called: gRPC's context may be gone, do not cancel any more
  grpc::Status end_status_;
  error reason_;
};

/// The end that dials.
class client_link final : public link, private grpc::ClientBidiReactor<v1::Frame, v1::Frame> {
 public:
  client_link(hub& owner, peer& to, std::shared_ptr<grpc::Channel> channel);
  void start();

 private:
  void OnReadDone(bool ok) override { read_done(ok); }
  void OnWriteDone(bool ok) override { write_done(ok); }
  void OnDone(const grpc::Status& status) override { done(status); }

  void raw_read(v1::Frame* into) override { StartRead(into); }
  void raw_write(const v1::Frame& frame) override { StartWrite(&frame); }
  void raw_end_writes() override { StartWritesDone(); }
  void raw_cancel() override { context_.TryCancel(); }
  void raw_end(const grpc::Status&) override { RemoveHold(); }
  void hello_received(const v1::Hello& hello) override;

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Link::Stub> stub_;
  grpc::ClientContext context_;
};

/// The end that accepts.
class server_link final : public link, public grpc::ServerBidiReactor<v1::Frame, v1::Frame> {
 public:
  server_link(hub& owner, grpc::CallbackServerContext& context);
  /// Waits for Hello; with a status that is not OK, refuses the stream instead.
  void start(grpc::Status admission);

 private:
  void OnReadDone(bool ok) override { read_done(ok); }
  void OnWriteDone(bool ok) override { write_done(ok); }
  void OnDone() override { done(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the connection was lost")); }

  void raw_read(v1::Frame* into) override { StartRead(into); }
  void raw_write(const v1::Frame& frame) override { StartWrite(&frame); }
  void raw_end_writes() override { end(grpc::Status::OK, false); }
  void raw_cancel() override { context_.TryCancel(); }
  void raw_end(const grpc::Status& why) override { Finish(why); }
  void hello_received(const v1::Hello& hello) override;

  grpc::CallbackServerContext& context_;
};

}  // namespace tandem::cluster::internal
