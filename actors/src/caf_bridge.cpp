#include "caf_bridge.hpp"

#include <typeindex>
#include <unordered_map>

#include <tandem/actors/detail/message_type.hpp>
#include <tandem/actors/protocol.hpp>

#include "host.hpp"

namespace tandem::actors::detail {
namespace {

// CAF identifies types it knows by a number, others by their type_info.
template <class... Ts>
std::unordered_map<std::type_index, std::uint16_t> number_types(caf::detail::type_list<Ts...>) {
  std::unordered_map<std::type_index, std::uint16_t> numbers{{typeid(Ts), caf::type_nr<Ts>::value}...};
  // Integers are numbered by size and sign; these are distinct types for C++ only.
  numbers.emplace(typeid(long long), caf::type_nr<long long>::value);
  numbers.emplace(typeid(unsigned long long), caf::type_nr<unsigned long long>::value);
  return numbers;
}

bool is_one(const caf::type_erased_tuple& content, const std::type_info& type) {
  static const auto numbers = number_types(caf::sorted_builtin_types{});
  if (content.size() != 1) return false;
  const caf::rtti_pair held = content.type(0);
  if (held.second) return *held.second == type;
  const auto found = numbers.find(type);
  return found != numbers.end() && found->second == held.first;
}

class caf_sink final : public reply_sink {
 public:
  caf_sink(caf::response_promise promise, const hosted_caf& types) noexcept
      : promise_(std::move(promise)), types_(types) {}

  void reply(std::size_t, fill_ref) noexcept override {
    fail(make_error(errc::unimplemented,
                    "the reply's type is not known to CAF: call expose_reply<T>(system) of tandem/actors/caf.hpp"));
  }
  bool reply_value(void* value, const std::type_info& type) noexcept override {
    if (!value) {
      promise_.deliver(caf::unit);
      return true;
    }
    const auto wrap_value = types_.wrapper_of(type);
    if (wrap_value) promise_.deliver(wrap_value(value));
    return wrap_value != nullptr;
  }
  void fail(error why) noexcept override { promise_.deliver(to_caf(why)); }

 private:
  caf::response_promise promise_;
  const hosted_caf& types_;
};

}  // namespace

error from_caf(const caf::error& e) {
  if (!e) return {};
  if (e.context().match_elements<std::string, std::uint8_t>())  // to_caf() made it
    return make_error(errc_from_number(e.context().get_as<std::uint8_t>(1)), e.context().get_as<std::string>(0));
  errc code = errc::unknown;
  if (e.category() == caf::atom("exit")) {
    code = errc::cancelled;
  } else if (e == caf::sec::request_timeout) {
    code = errc::timed_out;
  } else if (e == caf::sec::request_receiver_down) {
    code = errc::unavailable;
  } else if (e == caf::sec::unexpected_message || e == caf::sec::invalid_argument) {
    code = errc::invalid_argument;
  }
  return make_error(code, "CAF: " + caf::to_string(e));
}

caf::error to_caf(const error& e) {
  if (!e) return {};
  caf::sec code = caf::sec::runtime_error;
  switch (e.code()) {
    case errc::unavailable:
      code = caf::sec::request_receiver_down;
      break;
    case errc::timed_out:
    case errc::deadline_exceeded:
      code = caf::sec::request_timeout;
      break;
    case errc::invalid_argument:
      code = caf::sec::unexpected_message;
      break;
    default:
      break;
  }
  // What CAF's actors act on has few values: the context has the code that comes back.
  const auto number = static_cast<std::uint8_t>(e.code());
  if (e.code() == errc::cancelled)
    return {static_cast<std::uint8_t>(caf::exit_reason::user_shutdown), caf::atom("exit"),
            caf::make_message(e.message(), number)};
  return caf::make_error(code, e.message(), number);
}

caf_envelope::caf_envelope(caf::mailbox_element_ptr element, caf::strong_actor_ptr receiver,
                           const hosted_caf& types) noexcept
    : envelope(form::foreign, nullptr, element->mid.is_request(), no_deadline),
      element_(std::move(element)),
      receiver_(std::move(receiver)),
      types_(types) {}

caf_envelope::~caf_envelope() {
  if (const auto sink = take_sink()) sink->fail(error_of(errc::unavailable));
}

std::string caf_envelope::type_name() const {
  std::string text = "CAF message";
  if (!element_) return text;
  // What it is, not what it says: that may be of any size, and not for a log. Atoms are there to tell messages apart.
  const auto& content = element_->content();
  const auto& known = receiver_->home_system->types();
  for (std::size_t i = 0; i < content.size(); ++i) {
    const caf::rtti_pair held = content.type(i);
    text += i == 0 ? " (" : ", ";
    if (content.match_element<caf::atom_value>(i)) {
      text += caf::to_string(content.get_as<caf::atom_value>(i));
    } else {
      text += held.second ? readable_name(*held.second) : known.portable_name(held);
    }
  }
  return content.size() == 0 ? text + " ()" : text + ")";
}

bool caf_envelope::fail(error why) noexcept {
  const auto sink = take_sink();
  if (sink) sink->fail(std::move(why));
  return is_ask();
}

bool caf_envelope::holds(const std::type_info& type) const noexcept { return is_one(element_->content(), type); }

foreign_value caf_envelope::extract(const std::type_info& type) noexcept {
  auto& content = element_->content();
  if (!is_one(content, type)) return {};
  // get_mutable() would copy here what others see too, and a copy may throw. It is only read: see foreign_value.
  if (content.shared()) return {const_cast<void*>(content.get(0)), false};
  return {content.get_mutable(0), true};
}

std::unique_ptr<reply_sink> caf_envelope::take_sink() noexcept {
  if (!element_ || !element_->mid.is_request() || element_->mid.is_answered()) return nullptr;
  auto sink = std::make_unique<caf_sink>(caf::response_promise(receiver_, *element_), types_);
  element_->mid.mark_as_answered();
  return sink;
}

}  // namespace tandem::actors::detail
