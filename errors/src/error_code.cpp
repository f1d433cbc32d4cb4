#include <tandem/errors/error_code.hpp>

#include <any>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <netdb.h>

#include "layer.hpp"

namespace tandem {
namespace {

constexpr const char* category_name = "tandem";

errc errc_of_errno(int number) noexcept {
  switch (number) {
    case ECANCELED: return errc::cancelled;

    case E2BIG:
    case EDESTADDRREQ:
    case EDOM:
    case EFAULT:
    case EILSEQ:
    case EINVAL:
    case EMSGSIZE:
    case ENAMETOOLONG:
    case ENOPROTOOPT:
    case ENOTSOCK:
    case ENOTTY:
    case EPROTOTYPE:
    case ESPIPE: return errc::invalid_argument;

    case ENODEV:
    case ENOENT:
    case ENXIO:
    case ESRCH: return errc::not_found;

    case EALREADY:
    case EEXIST: return errc::already_exists;

    case EACCES:
    case EPERM:
    case EROFS: return errc::permission_denied;

    case EDQUOT:
    case EMFILE:
    case EMLINK:
    case ENFILE:
    case ENOBUFS:
    case ENOLCK:
    case ENOMEM:
    case ENOSPC: return errc::resource_exhausted;

    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EBADF:
    case EBUSY:
    case ECHILD:
    case EISCONN:
    case EISDIR:
    case ELOOP:
    case ENOTCONN:
    case ENOTDIR:
    case ENOTEMPTY:
    case ESHUTDOWN:
    case ETXTBSY: return errc::failed_precondition;

    case EDEADLK:
    case EINTR:
    case ESTALE: return errc::aborted;

    case EFBIG:
    case EOVERFLOW:
    case ERANGE: return errc::out_of_range;

    case EAFNOSUPPORT:
    case ENOSYS:
    case EOPNOTSUPP:  // ENOTSUP has the same number
    case EPFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ESOCKTNOSUPPORT:
    case EXDEV: return errc::unimplemented;

    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETRESET:
    case ENETUNREACH:
    case EPIPE: return errc::unavailable;

    case EBADMSG:  // of a file system: a wrong checksum
    case EIO:
    case EUCLEAN: return errc::data_loss;

    case EAGAIN: return errc::would_block;  // EWOULDBLOCK has the same number
    case ETIMEDOUT: return errc::timed_out;
    default: return errc::unknown;
  }
}

// Asio's own codes. Its categories are known by name, as it is headers only and this library does without them.
errc errc_of_asio(std::string_view category, int number) noexcept {
  enum misc { already_open = 1, eof, not_found, fd_set_failure };
  if (category == "asio.system") return errc_of_errno(number);
  if (category == "asio.misc") {
    switch (number) {
      case already_open: return errc::failed_precondition;
      case eof: return errc::closed;
      case not_found: return errc::not_found;
      case fd_set_failure: return errc::resource_exhausted;
      default: return errc::unknown;
    }
  }
  if (category == "asio.netdb") {
    switch (number) {
      case HOST_NOT_FOUND:
      case NO_DATA: return errc::not_found;
      case TRY_AGAIN:
      case NO_RECOVERY: return errc::unavailable;
      default: return errc::unknown;
    }
  }
  if (category == "asio.addrinfo") {
    switch (number) {
      case EAI_SERVICE: return errc::not_found;
      case EAI_SOCKTYPE: return errc::unimplemented;
      default: return errc::unknown;
    }
  }
  return errc::unknown;
}

class errc_category_type final : public std::error_category {
 public:
  const char* name() const noexcept override { return category_name; }

  std::string message(int value) const override { return std::string(to_string(errc_from_number(value))); }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (errc_from_number(value)) {
      case errc::cancelled: return std::errc::operation_canceled;
      case errc::invalid_argument: return std::errc::invalid_argument;
      case errc::deadline_exceeded:
      case errc::timed_out: return std::errc::timed_out;
      case errc::not_found: return std::errc::no_such_file_or_directory;
      case errc::already_exists: return std::errc::file_exists;
      case errc::permission_denied: return std::errc::permission_denied;
      case errc::out_of_range: return std::errc::result_out_of_range;
      case errc::unimplemented: return std::errc::function_not_supported;
      case errc::would_block: return std::errc::operation_would_block;
      default: return {value, *this};
    }
  }

  bool equivalent(int value, const std::error_condition& condition) const noexcept override {
    if (default_error_condition(value) == condition) return true;
    if (condition.category() != std::generic_category()) return false;
    const errc same = errc_of_errno(condition.value());
    return same != errc::unknown && same == errc_from_number(value);
  }
};

// The code that a layer brought along, if any.
std::error_code code_in(const std::any& payload) {
  if (const auto* code = std::any_cast<std::error_code>(&payload)) return *code;
  if (const auto* thrown = std::any_cast<std::exception_ptr>(&payload); thrown != nullptr && *thrown != nullptr) {
    try {
      std::rethrow_exception(*thrown);
    } catch (const std::system_error& e) {
      return e.code();
    } catch (...) {  // not what is looked for
    }
  }
  return {};
}

}  // namespace

const std::error_category& errc_category() noexcept {
  // Never destroyed: error codes may be compared while the program exits.
  union forever {
    forever() noexcept : category() {}
    ~forever() {}
    errc_category_type category;
  };
  static forever instance;
  return instance.category;
}

std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), errc_category()}; }

errc errc_of(const std::error_code& code) noexcept {
  const std::error_category& category = code.category();
  // By name, as each shared library that has tandem linked into it has a category object of its own.
  if (std::strcmp(category.name(), category_name) == 0) return errc_from_number(code.value());
  if (category == std::system_category()) return errc_of_errno(code.value());
  const std::error_condition condition = code.default_error_condition();
  if (condition.category() == std::generic_category()) return errc_of_errno(condition.value());
  if (condition.category() == errc_category()) return errc_from_number(condition.value());
  return errc_of_asio(category.name(), code.value());
}

error error_from(const std::error_code& code, message_text what, std::source_location where) {
  if (!code) return {};
  std::string message = std::move(what).take();
  if (!message.empty()) message += ": ";
  message += code.message();
  error e = internal::make_error(errc_of(code), std::move(message), where, stack_trace::capture(1));
  e = with(std::move(e), "std_error", std::string(code.category().name()) + ':' + std::to_string(code.value()));
  return with_payload(std::move(e), code);
}

std::error_code to_error_code(const error& e) {
  if (!e) return {};
  for (internal::layer_walk layer(e); layer; layer.advance()) {
    if (layer->extras == nullptr) continue;
    const std::error_code brought = code_in(layer->extras->payload);
    if (brought && errc_of(brought) == e.code()) return brought;
  }
  return make_error_code(e.code());
}

}  // namespace tandem
