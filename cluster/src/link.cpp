#include "link.hpp"

#include <utility>

#include "hub.hpp"
#include "peer.hpp"

namespace tandem::cluster::internal {

link::link(hub& owner) : hub_(owner) {}

link::~link() { hub_.link_gone(*this); }

void link::begin() {
  const auto self = shared_from_this();
  hub_.link_made(self);
  const std::lock_guard lock(mutex_);
  self_ = self;
}

void link::start_read() {
  const std::lock_guard lock(mutex_);
  if (ending_) return;
  incoming_ = std::make_shared<v1::Frame>();
  raw_read(incoming_.get());
}

void link::say_hello() {
  *hello_.mutable_hello() = hub_.hello();
  if (begin_write()) start_write(hello_);
}

bool link::begin_write() {
  const std::lock_guard lock(mutex_);
  if (ending_) return false;
  writing_ = true;
  return true;
}

void link::read_done(bool ok) {
  bool ready;
  {
    const std::lock_guard lock(mutex_);
    ready = ready_;
  }
  if (!ok) {
    if (ready) peer_->out().close(this);
    return end(grpc::Status::OK, false);
  }
  auto frame = std::move(incoming_);
  if (ready) return peer_->frame_received(shared_from_this(), std::move(frame));
  if (!frame->has_hello()) return refuse(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "the first frame is no Hello"));
  hello_received(frame->hello());
}

void link::write_done(bool ok) {
  bool ready;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    ready = ready_;
    if (!ready && ok) hello_written_ = true;
  }
  if (ready) {
    peer_->out().write_done(ok);  // may announce the next write
  } else if (ok) {
    ready_if_greeted();
  }
  if (!ok) return end(grpc::Status::OK, true);
  const std::lock_guard lock(mutex_);
  if (ending_) end_if_idle();
}

void link::greeted() {
  {
    const std::lock_guard lock(mutex_);
    hello_accepted_ = true;
  }
  ready_if_greeted();
}

// The peer's Hello can come before the write of ours is reported: whichever is later makes the link ready.
void link::ready_if_greeted() {
  {
    const std::lock_guard lock(mutex_);
    if (!hello_accepted_ || !hello_written_ || ready_ || ending_) return;
    ready_ = true;
  }
  peer_->link_ready(shared_from_this());
}

void link::abort(error why) {
  bool ready;
  {
    const std::lock_guard lock(mutex_);
    if (!reason_) reason_ = std::move(why);
    ready = ready_;
  }
  // The outbox knows this link at most from then on; earlier, an accepted link's peer_ may just be being set.
  if (ready) peer_->out().close(this);
  end(grpc::Status(grpc::StatusCode::ABORTED, "ended by the other node"), true);
}

void link::abort_if_greeting(error why) {
  {
    const std::lock_guard lock(mutex_);
    if (ready_ || ending_) return;
  }
  abort(std::move(why));
}

void link::end_left_by_peer(std::string reason) {
  goodbye_ = std::move(reason);
  peer_->out().close(this);
  end(grpc::Status::OK, false);
}

void link::refuse(grpc::Status why) { end(std::move(why), false); }

void link::end(grpc::Status status, bool cancel) {
  const std::lock_guard lock(mutex_);
  if (!ending_) {
    ending_ = true;
    end_status_ = std::move(status);
  }
  if (cancel && !done_) raw_cancel();
  end_if_idle();
}

void link::end_if_idle() {
  if (writing_ || std::exchange(ended_, true)) return;
  raw_end(end_status_);
}

void link::done(const grpc::Status& status) {
  std::shared_ptr<link> self;
  error why;
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
    self = std::move(self_);
    why = reason_;
  }
  if (peer_ != nullptr) peer_->link_done(self, std::move(why), status);
}

client_link::client_link(hub& owner, peer& to, std::shared_ptr<grpc::Channel> channel)
    : link(owner), channel_(std::move(channel)), stub_(v1::Link::NewStub(channel_)) {
  peer_ = &to;
}

void client_link::start() {
  begin();
  stub_->async()->Open(&context_, this);
  AddHold();  // until raw_end(): reads and writes start outside of reactions
  say_hello();
  start_read();
  StartCall();
}

void client_link::hello_received(const v1::Hello& hello) {
  if (auto same = hub_.check_hello(hello); !same) return abort(std::move(same).error());
  if (hello.node_name() != peer_->name())
    return abort(make_error(errc::failed_precondition, "it says that its name is '" + printable(hello.node_name()) +
                                                           "'; correct the list of members or its options"));
  remote_ = hello;
  greeted();
}

server_link::server_link(hub& owner, grpc::CallbackServerContext& context) : link(owner), context_(context) {}

void server_link::start(grpc::Status admission) {
  begin();
  if (!admission.ok()) return refuse(std::move(admission));
  start_read();
  hub_.expect_hello(weak_from_this());
}

void server_link::hello_received(const v1::Hello& hello) {
  auto from = hub_.admit(hello, *context_.auth_context());
  if (!from) return refuse(grpc::Status(static_cast<grpc::StatusCode>(grpc_status_of(from.error().code())),
                                        from.error().message()));
  peer_ = *from;
  remote_ = hello;
  say_hello();
  greeted();
}

}  // namespace tandem::cluster::internal
