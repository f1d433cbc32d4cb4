#include "peer.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "hub.hpp"
#include "problems.hpp"

namespace tandem::cluster::internal {
namespace {

using std::chrono::milliseconds;

// A peer held up by lack of credit gets what was released in the meantime after this long, however little.
constexpr milliseconds grant_delay{5};

// A connection that lasted this long ends a series of failures.
constexpr milliseconds lasting{1'000};

constexpr std::size_t problems_remembered = 16;

}  // namespace

peer::peer(hub& owner, peer_id id, member who, bool dials)
    : hub_(owner), id_(id), who_(std::move(who)), dials_(dials) {}

void peer::start() {
  if (dials_) strand_.push([this] { dial(); });
}

void peer::report_problem(error what) {
  strand_.push([this, what = std::move(what)]() mutable { tell(std::move(what)); });
}

void peer::leave(bool goodbye) {
  strand_.push([this, goodbye] {
    leaving_ = true;
    for (const auto& idle : {attempt_, next_})
      if (idle) idle->abort(make_error(errc::cancelled, "this node is stopping"));
    if (goodbye && link_) outbox_.say_goodbye("it was stopped");
  });
}

void peer::dial() {
  if (leaving_ || attempt_ || link_) return;
  // A channel of its own for each attempt: no back-off of gRPC's, no connection shared with others.
  channel_ = hub_.make_channel(who_);
  const auto attempt = std::make_shared<client_link>(hub_, *this, channel_);
  attempt_ = attempt;
  attempt->start();
  hub_.expect_hello(attempt);
}

void peer::dial_later() {
  if (!dials_ || leaving_) return;
  const auto& timing = hub_.options().timing;
  const milliseconds full = std::min(timing.backoff_max, timing.backoff_initial * (1L << std::min(failures_, 20u)));
  const milliseconds pause = full - milliseconds(std::uniform_int_distribution<long>(0, full.count() / 2)(jitter_));
  ++failures_;
  hub_.timers().after(pause, [this] { strand_.push([this] { dial(); }); });
}

void peer::link_ready(std::shared_ptr<link> which) {
  strand_.push([this, which = std::move(which)]() mutable {
    if (which == attempt_) attempt_ = nullptr;
    if (leaving_) return which->abort(make_error(errc::cancelled, "this node is stopping"));
    if (!link_) return connected(std::move(which));
    // The other side would not have called again if it could still use the old connection.
    const error replaced = make_error(errc::unavailable, "the peer has opened a new connection");
    if (next_) next_->abort(replaced);
    next_ = std::move(which);
    link_->abort(replaced);
  });
}

void peer::connected(std::shared_ptr<link> which) {
  const v1::Hello& hello = which->remote();
  if (up_ && hello.incarnation() != incarnation_)
    report_down(make_error(errc::unavailable, fmt::format("node {} was restarted", name())));
  link_ = std::move(which);
  epoch_ = hub_.next_epoch();
  incarnation_ = hello.incarnation();
  connected_incarnation_.store(incarnation_, std::memory_order_relaxed);  // see connected_incarnation()
  up_ = true;
  left_ = false;
  connected_at_ = std::chrono::steady_clock::now();
  told_.clear();
  const auto& limits = hub_.options().limits;
  outbox_.open(epoch_, link_,
               outbox::limits{.send_window_bytes = hello.receive_window_bytes(),
                              .receive_window_bytes = limits.receive_window_bytes,
                              .max_record_bytes = std::min(limits.max_record_bytes, hello.max_record_bytes())});
  hub_.listener().on_peer_up(id_, incarnation_, epoch_);
  link_->start_read();
}

void peer::frame_received(std::shared_ptr<link> which, std::shared_ptr<v1::Frame> frame) {
  strand_.push([this, which = std::move(which), frame = std::move(frame)] {
    if (which != link_) return;
    if (auto taken = take(frame); !taken)
      return which->abort(wrap(std::move(taken).error(), fmt::format("node {} broke the protocol", name())));
    if (frame->has_goodbye()) return which->end_left_by_peer(printable(frame->goodbye().reason()));
    which->start_read();
  });
}

result<void> peer::take(const std::shared_ptr<v1::Frame>& frame) {
  if (frame->has_hello()) return fail(errc::invalid_argument, "it said Hello twice");
  if (frame->credit_bytes() != 0) {
    auto refused = outbox_.refund(frame->credit_bytes());
    if (!refused) return fail(std::move(refused).error());
    if (*refused) hub_.listener().on_credit(id_);
  }
  if (frame->credit_wanted())
    hub_.timers().after(grant_delay, [this, epoch = epoch_] { outbox_.grant_soon(epoch); });
  if (frame->records().empty()) return {};

  record_reader reader(std::as_bytes(std::span(frame->records())), hub_.options().limits.max_record_bytes);
  views_.clear();
  for (record_view record;;) {
    auto more = reader.next(record);
    if (!more) return fail(std::move(more).error());
    if (!*more) break;
    views_.push_back(record);
    if (views_.size() == 2 && frame->records().size() > frame_records_bytes)
      return fail(errc::invalid_argument, "a frame with several records is too large");
  }
  TANDEM_TRY(outbox_.receive(views_));
  return hub_.listener().on_records(id_, epoch_, frame, views_);
}

void peer::link_done(std::shared_ptr<link> which, error reason, grpc::Status status) {
  strand_.push([this, which = std::move(which), reason = std::move(reason), status = std::move(status)]() mutable {
    if (which == attempt_) return dial_failed(std::move(reason), status);
    if (which == next_) next_ = nullptr;
    if (which != link_) return;
    if (which->goodbye()) {
      left_ = true;
      disconnected(make_error(errc::unavailable, fmt::format("node {} left: {}", name(), *which->goodbye())));
    } else {
      disconnected(lost_connection(name(), std::move(reason), status));
    }
  });
}

void peer::disconnected(const error& why) {
  link_ = nullptr;
  connected_incarnation_.store(0, std::memory_order_relaxed);  // see connected_incarnation()
  hub_.listener().on_disconnected(id_, epoch_, why, outbox_.take_dropped());
  if (leaving_) return;
  if (left_) {
    report_down(why);
  } else {
    watch_absence();
  }
  if (next_) return connected(std::exchange(next_, nullptr));
  if (std::chrono::steady_clock::now() - connected_at_ >= lasting) failures_ = 0;
  dial_later();
}

void peer::watch_absence() {
  hub_.timers().after(hub_.options().timing.down_after, [this, epoch = epoch_] {
    strand_.push([this, epoch] {
      // Another epoch: it has been back, and if it is away again, a later timer is running.
      if (leaving_ || link_ || epoch != epoch_) return;
      report_down(make_error(errc::unavailable, fmt::format("node {} could not be reached for {} ms", name(),
                                                            hub_.options().timing.down_after.count())));
    });
  });
}

void peer::report_down(error why) {
  if (!std::exchange(up_, false) || leaving_) return;
  hub_.listener().on_peer_down(id_, why);
}

void peer::dial_failed(error reason, const grpc::Status& status) {
  attempt_ = nullptr;
  if (leaving_) return;
  dial_problem what = explain_dial(who_, hub_.options(), std::move(reason), status);
  if (!(left_ && what.just_absent)) tell(std::move(what.what));
  dial_later();
}

void peer::tell(error what) {
  if (leaving_ || told_.size() >= problems_remembered || !told_.insert(what.message()).second) return;
  hub_.listener().on_problem(name(), what);
}

}  // namespace tandem::cluster::internal
