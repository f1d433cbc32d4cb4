#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

#include <fmt/format.h>

#include <tandem/actors/detail/body.hpp>
#include <tandem/actors/detail/envelope.hpp>
#include <tandem/actors/detail/operations.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/format.hpp>

namespace tandem::actors {

bool covers(const protocol_info& offered, const protocol_info& wanted) noexcept {
  if (offered.fingerprint == wanted.fingerprint) return true;
  for (const std::string& needed : wanted.signatures) {
    bool found = false;
    for (const std::string& has : offered.signatures) found = found || has == needed;
    if (!found) return false;
  }
  return true;
}

namespace detail {

std::string readable_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                    std::free);
  return status == 0 ? std::string(text.get()) : std::string(type.name());
}

error empty_ref() {
  static const error shared = make_error(errc::failed_precondition, "the actor_ref is empty");
  return shared;
}

error no_answer_in_time(const target* from) {
  if (!from) return error_of(errc::timed_out);
  const std::string name = from->target_name();
  return make_error(errc::timed_out, name.empty() ? fmt::format("no answer in time from the actor of id {}", from->id())
                                                  : fmt::format("no answer in time from actor {}", name));
}

const tandem::detail::wait_kind& answer_of(const target& to, bool queued) noexcept {
  using tandem::detail::completion_wait;
  using tandem::detail::wait_kind;
  static constexpr wait_kind here{"an actor's answer", &completion_wait::cancel, nullptr, &ask_wait::leave};
  static constexpr wait_kind after_room{"room in a mailbox and an answer", &completion_wait::cancel, nullptr,
                                        &ask_wait::leave};
  static constexpr wait_kind elsewhere{"an answer from another node", &completion_wait::cancel, nullptr,
                                       &ask_wait::leave};
  static constexpr wait_kind after_credit{"credit to send to another node and an answer", &completion_wait::cancel,
                                          nullptr, &ask_wait::leave};
  if (to.is_remote()) return queued ? after_credit : elsewhere;
  return queued ? after_room : here;
}

bool reply_sink::reply_value(void*, const std::type_info&) noexcept { return false; }

result<void> envelope::complete_from_bytes(std::span<const std::byte>) {
  return tandem::fail(errc::invalid_argument, "a reply came for a message that takes none from a wire: " + type_name());
}

incoming_envelope::incoming_envelope(incoming message) noexcept
    : envelope(form::bytes, nullptr, message.sink != nullptr,
               message.remaining == duration::max() ? no_deadline : deadline_in(message.remaining)),
      message_(std::move(message)) {}

incoming_envelope::~incoming_envelope() {
  if (message_.sink) message_.sink->fail(error_of(errc::unavailable));
  if (message_.link) message_.link->consumed(message_.bytes.size());
}

std::string incoming_envelope::type_name() const { return fmt::format("wire type {:08x}", message_.type_hash); }

bool incoming_envelope::fail(error why) noexcept {
  const auto sink = std::move(message_.sink);
  if (sink) sink->fail(std::move(why));
  return is_ask();
}

error handler_threw(std::exception_ptr thrown, const std::string& message) {
  return wrap(from_exception(std::move(thrown)), errc::unavailable, "the actor failed while it handled " + message);
}

error not_in_protocol(const std::string& message, const protocol_info& protocol) {
  return make_error(errc::invalid_argument,
                    fmt::format("{} is not in the actor's protocol ({})", message, protocol.text));
}

error unhandled(const down& what) {
  const std::string text = fmt::format("it watched actor {} (id {}), which has ended, and has no handler on(down)",
                                       what.name.empty() ? "without a name" : what.name, what.id);
  return what.reason ? wrap(what.reason, errc::unavailable, text) : make_error(errc::unavailable, text);
}

error unhandled(const idle&) {
  return make_error(errc::failed_precondition, "it set an idle timeout, and has no handler on(idle)");
}

error mailbox_is_full(const char* whose) {
  return make_error(errc::overloaded, fmt::format("the mailbox of actor {} is full", whose));
}

error never_answered() {
  static const error shared = make_error(errc::unavailable, "the actor dropped the ask without an answer");
  return shared;
}

void answered_before(const char* what) {
  throw std::logic_error(
      fmt::format("tandem: {} needs an ask: the reply_to was answered or forwarded before, or moved from", what));
}

error not_made(std::exception_ptr thrown, const std::string& message) {
  return wrap(from_exception(std::move(thrown)), errc::invalid_argument, "it threw when it was taken over: " + message);
}

error not_parsed(const std::string& message) {
  return make_error(errc::invalid_argument, "the bytes of a message are no " + message);
}

}  // namespace detail
}  // namespace tandem::actors
