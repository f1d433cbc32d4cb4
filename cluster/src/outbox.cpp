#include "outbox.hpp"

#include <utility>

#include <fmt/format.h>

namespace tandem::cluster::internal {
namespace {

// Up to this size a payload is written in place under the lock; above it, the lock is not held meanwhile.
constexpr std::size_t in_place_bytes = std::size_t{16} << 10;

void append_record(std::string& chunk, const record_header& header, std::size_t payload_bytes, fill_ref fill) {
  const std::size_t old_size = chunk.size();
  chunk.resize(old_size + record_header_bytes + payload_bytes);
  const auto record = std::as_writable_bytes(std::span(chunk)).subspan(old_size);
  encode_header(header, payload_bytes, record.first<record_header_bytes>());
  try {
    fill(record.subspan(record_header_bytes));
  } catch (...) {
    chunk.resize(old_size);
    throw;
  }
}

}  // namespace

void outbox::open(std::uint64_t epoch, std::shared_ptr<frame_sink> sink, const limits& bounds) {
  const std::lock_guard lock(mutex_);
  sink_ = std::move(sink);
  epoch_ = epoch;
  bounds_ = bounds;
  send_ = send_credit(bounds.send_window_bytes);
  receive_ = receive_credit(bounds.receive_window_bytes);
  refused_ = asked_ = ask_now_ = grant_now_ = grant_release_ = failed_ = false;
  goodbye_ = goodbye::no;
  writable_ = accepting_ = true;
}

result<post_outcome> outbox::post(record_header header, std::size_t payload_bytes, fill_ref fill, bool use_credit) {
  lock_type lock(mutex_);
  if (!accepting_) return post_outcome::not_connected;
  const std::uint64_t wire_bytes = record_header_bytes + std::uint64_t{payload_bytes};
  if (wire_bytes > bounds_.max_record_bytes)
    return fail(errc::out_of_range,
                fmt::format("a record of {} bytes is larger than the {} bytes that both nodes accept; raise "
                            "limits.max_record_bytes on both or send less at a time",
                            wire_bytes, bounds_.max_record_bytes));

  header.flags &= static_cast<std::uint8_t>(~record_flag_credit);
  if (use_credit) {
    header.flags |= record_flag_credit;
    if (!spend(wire_bytes)) {
      start_writing(std::move(lock));  // tells the peer
      return post_outcome::no_credit;
    }
  }
  if (payload_bytes > in_place_bytes) return post_large(std::move(lock), header, payload_bytes, fill);

  std::string& chunk = chunk_for(wire_bytes);
  try {
    append_record(chunk, header, payload_bytes, fill);
  } catch (...) {
    if (chunk.empty()) chunks_.pop_back();  // (O2)
    if (use_credit) send_.refund(wire_bytes);
    throw;
  }
  start_writing(std::move(lock));
  return post_outcome::queued;
}

result<post_outcome> outbox::post_large(lock_type lock, const record_header& header, std::size_t payload_bytes,
                                        fill_ref fill) {
  const std::uint64_t epoch = epoch_;
  const bool paid = (header.flags & record_flag_credit) != 0;
  lock.unlock();
  std::string chunk;
  try {
    chunk.reserve(record_header_bytes + payload_bytes);
    append_record(chunk, header, payload_bytes, fill);
  } catch (...) {
    lock.lock();
    if (paid && epoch_ == epoch) send_.refund(record_header_bytes + payload_bytes);
    throw;
  }
  lock.lock();
  if (!accepting_ || epoch_ != epoch) return post_outcome::not_connected;  // the credit died with its stream
  chunks_.push_back(std::move(chunk));
  start_writing(std::move(lock));
  return post_outcome::queued;
}

bool outbox::spend(std::uint64_t bytes) {
  if (send_.spend(bytes)) return true;
  refused_ = true;
  if (!std::exchange(asked_, true)) ask_now_ = true;
  return false;
}

std::string& outbox::chunk_for(std::size_t bytes) {
  if (chunks_.empty() || chunks_.back().size() + bytes > frame_records_bytes)
    chunks_.push_back(std::exchange(spare_, std::string()));
  return chunks_.back();
}

void outbox::release(std::uint64_t epoch, std::uint64_t bytes) {
  lock_type lock(mutex_);
  if (epoch != epoch_ || !writable_) return;
  receive_.release(bytes);
  if (!receive_.worth_a_frame() && !(grant_release_ && receive_.anything())) return;
  grant_now_ = true;
  start_writing(std::move(lock));
}

void outbox::grant_soon(std::uint64_t epoch) {
  lock_type lock(mutex_);
  if (epoch != epoch_ || !writable_) return;
  if (!receive_.anything()) {
    grant_release_ = true;
    return;
  }
  grant_now_ = true;
  start_writing(std::move(lock));
}

result<void> outbox::receive(std::span<const record_view> records) {
  const std::lock_guard lock(mutex_);
  for (const auto& record : records) {
    if (record.paid() && !receive_.receive(record.wire_bytes()))
      return fail(errc::resource_exhausted,
                  fmt::format("it sent more than the {} bytes it had credit for", bounds_.receive_window_bytes));
  }
  return {};
}

result<bool> outbox::refund(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!send_.refund(bytes)) return fail(errc::invalid_argument, "it gave back more credit than was spent");
  asked_ = false;
  return std::exchange(refused_, false);
}

void outbox::say_goodbye(std::string reason) {
  lock_type lock(mutex_);
  if (goodbye_ != goodbye::no) return;
  accepting_ = false;
  goodbye_ = goodbye::queued;
  goodbye_reason_ = std::move(reason);
  start_writing(std::move(lock));
}

// Moves the next thing to send into frame_; false if there is none.
bool outbox::compose() {
  frame_.Clear();
  bool any = false;
  if (!chunks_.empty()) {
    *frame_.mutable_records() = std::move(chunks_.front());
    chunks_.pop_front();
    any = true;
  } else if (goodbye_ == goodbye::queued) {
    frame_.mutable_goodbye()->set_reason(goodbye_reason_);
    goodbye_ = goodbye::written;
    any = true;
  }
  if (std::exchange(ask_now_, false)) {
    frame_.set_credit_wanted(true);
    any = true;
  }
  // A grant rides on any frame.
  if (receive_.anything() && (any || grant_now_)) {
    frame_.set_credit_bytes(receive_.take_grant());
    grant_now_ = grant_release_ = false;
    any = true;
  }
  return any;
}

// Starts a write if there is none in flight and something to write. Releases the lock.
void outbox::start_writing(lock_type lock) {
  if (!writable_ || writing_) return;
  if (chunks_.empty() && !ask_now_ && !grant_now_ && goodbye_ != goodbye::queued) return;
  if (!sink_->begin_write()) {
    writable_ = accepting_ = false;
    return;
  }
  compose();
  writing_ = true;
  const std::shared_ptr<frame_sink> sink = sink_;  // the write may end, and the stream with it, before start_write does
  lock.unlock();
  sink->start_write(frame_);
}

void outbox::write_done(bool ok) {
  lock_type lock(mutex_);
  writing_ = false;
  if (!ok) {
    failed_ = true;
    writable_ = accepting_ = false;
    return;
  }
  std::string& written = *frame_.mutable_records();
  if (written.capacity() <= 2 * frame_records_bytes && written.capacity() > spare_.capacity()) {
    spare_ = std::move(written);
    spare_.clear();
  }
  frame_.Clear();
  if (goodbye_ == goodbye::written) {
    writable_ = false;
    const auto sink = sink_;
    lock.unlock();
    sink->end_after_goodbye();
    return;
  }
  start_writing(std::move(lock));
}

void outbox::close(const frame_sink* sink) {
  const std::lock_guard lock(mutex_);
  if (sink_.get() == sink) writable_ = accepting_ = false;
}

dropped_records outbox::take_dropped() {
  dropped_records out;
  std::shared_ptr<frame_sink> sink;  // ends after the lock
  const std::lock_guard lock(mutex_);
  writable_ = accepting_ = false;
  sink = std::move(sink_);
  const bool in_doubt = std::exchange(failed_, false) && !frame_.records().empty();
  if (in_doubt) out.bytes.push_back(std::move(*frame_.mutable_records()));
  frame_.Clear();
  for (auto& chunk : chunks_) out.bytes.push_back(std::move(chunk));
  chunks_.clear();

  for (std::size_t i = 0; i < out.bytes.size(); ++i) {
    record_reader reader(std::as_bytes(std::span(out.bytes[i])), bounds_.max_record_bytes);
    for (record_view record; reader.next(record).value_or(false);) out.records.push_back(record);
    if (i == 0 && in_doubt) out.in_doubt = out.records.size();
  }
  return out;
}

}  // namespace tandem::cluster::internal
