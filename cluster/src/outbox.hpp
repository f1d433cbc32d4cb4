// What waits to be sent to one peer, cut into frames; and the credit accounts of the link to it.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <tandem/cluster/v1/link.pb.h>

#include <tandem/errors/result.hpp>

#include "credit.hpp"
#include "record.hpp"

namespace tandem::cluster::internal {

/// Something that writes a payload into exactly the bytes it is given; borrowed for the length of a call.
class fill_ref {
 public:
  template <std::invocable<std::span<std::byte>> F>
    requires(!std::same_as<std::remove_cvref_t<F>, fill_ref>)
  fill_ref(F&& f) noexcept  // NOLINT: converts on purpose
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, std::span<std::byte> out) { (*static_cast<std::remove_reference_t<F>*>(object))(out); }) {}

  void operator()(std::span<std::byte> out) const { call_(object_, out); }

 private:
  void* object_;
  void (*call_)(void*, std::span<std::byte>);
};

enum class post_outcome : std::uint8_t {
  queued,         ///< It will be sent, or be among the dropped records of on_disconnected().
  no_credit,      ///< Nothing was queued; on_credit() tells when to try again.
  not_connected,  ///< Nothing was queued; on_peer_up() tells when to try again.
};

/// Records that were posted but not sent because the connection ended, in the order of posting.
struct dropped_records {
  std::vector<record_view> records;  // inside `bytes`
  std::size_t in_doubt = 0;          // the first so many were being written: they may have arrived
  std::vector<std::string> bytes;
};

/// Where an outbox writes to: one stream.
///
/// (W1) A write is announced by begin_write() before it is started, and the stream does not end in between.
class frame_sink {
 public:
  /// False if the stream is ending: nothing may be written any more. Called with the outbox locked.
  virtual bool begin_write() = 0;
  /// Starts the announced write; the stream answers with outbox::write_done(). `frame` is untouched until then.
  virtual void start_write(const v1::Frame& frame) = 0;
  /// Goodbye has been written: end our half.
  virtual void end_after_goodbye() = 0;

 protected:
  ~frame_sink() = default;
};

/// The sending half of a peer, open while there is a stream to it.
///
/// A record posted while no write is in flight is written at once; records posted during a write go together in the
/// next, so that batches grow with the load and a lone record never waits.
///
/// Threads: any. No function of the transport's listener is called from here.
/// Order:   records leave in the order in which post() queued them.
class outbox {
 public:
  struct limits {
    std::uint64_t send_window_bytes;     // what the peer takes unconsumed
    std::uint64_t receive_window_bytes;  // what we take
    std::uint64_t max_record_bytes;      // what the peer takes in one record
  };

  /// Starts anew with a stream on which nothing is being written. The outbox must be empty and closed.
  void open(std::uint64_t epoch, std::shared_ptr<frame_sink> sink, const limits& bounds);

  /// See transport::post().
  [[nodiscard]] result<post_outcome> post(record_header header, std::size_t payload_bytes, fill_ref fill,
                                          bool use_credit);

  /// See transport::release().
  void release(std::uint64_t epoch, std::uint64_t bytes);

  /// Books received records. Errors: errc::resource_exhausted if the peer had no credit for one.
  [[nodiscard]] result<void> receive(std::span<const record_view> records);

  /// Books credit from the peer; true if post() has refused something meanwhile.
  /// Errors: errc::invalid_argument if it is more than was spent.
  [[nodiscard]] result<bool> refund(std::uint64_t bytes);

  /// The peer was held up by lack of credit some milliseconds ago: grant what there is, now or with the next release.
  void grant_soon(std::uint64_t epoch);

  /// Takes no more records, sends what is queued, then Goodbye.
  void say_goodbye(std::string reason);

  /// The write in flight has ended.
  void write_done(bool ok);

  /// Takes no more records and starts no more writes on `sink`; does nothing if another one is open.
  void close(const frame_sink* sink);

  /// Takes out what was not sent. The outbox must be closed, without a write in flight.
  [[nodiscard]] dropped_records take_dropped();

 private:
  using lock_type = std::unique_lock<std::mutex>;

  bool spend(std::uint64_t bytes);
  std::string& chunk_for(std::size_t bytes);
  result<post_outcome> post_large(lock_type lock, const record_header& header, std::size_t payload_bytes,
                                  fill_ref fill);
  bool compose();
  void start_writing(lock_type lock);

  std::mutex mutex_;  // guards everything below; frame_ only while !writing_
  std::shared_ptr<frame_sink> sink_;
  std::uint64_t epoch_ = 0;
  bool writable_ = false;   // the stream takes frames
  bool accepting_ = false;  // post() takes records; implies writable_
  bool writing_ = false;    // (O1) one write at a time: frame_ belongs to the stream
  bool failed_ = false;     // frame_ was written in vain, at least in part

  limits bounds_{};
  send_credit send_;
  receive_credit receive_;
  bool refused_ = false;         // post() has said no_credit since the last refund
  bool asked_ = false;           // … and the peer was told so
  bool ask_now_ = false;         // … or is to be told in the next frame
  bool grant_now_ = false;       // the next frame is wanted for its grant
  bool grant_release_ = false;   // the next release is to be granted at once

  enum class goodbye : std::uint8_t { no, queued, written } goodbye_ = goodbye::no;
  std::string goodbye_reason_;

  std::deque<std::string> chunks_;  // (O2) whole records each, none empty; more than one record only below the frame limit
  std::string spare_;               // empty, with the capacity of a chunk that was written
  v1::Frame frame_;
};

}  // namespace tandem::cluster::internal
