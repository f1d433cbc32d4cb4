#include <tandem/errors/retry_advice.hpp>

#include <ostream>

namespace tandem {

retry retry_advice(errc code) noexcept {
  // No default: the compiler then tells when a new code was forgotten here.
  switch (code) {
    case errc::aborted: return retry::now;
    case errc::resource_exhausted:
    case errc::unavailable:
    case errc::would_block:
    case errc::timed_out:
    case errc::overloaded:
    case errc::circuit_open: return retry::after_backoff;
    case errc::invalid_argument:
    case errc::not_found:
    case errc::already_exists:
    case errc::failed_precondition:
    case errc::unauthenticated: return retry::fix_request;
    case errc::cancelled:
    case errc::unknown:
    case errc::deadline_exceeded:
    case errc::permission_denied:
    case errc::out_of_range:
    case errc::unimplemented:
    case errc::internal:
    case errc::data_loss:
    case errc::closed: return retry::never;
  }
  return retry::never;
}

retry retry_advice(const error& e) noexcept { return retry_advice(e.code()); }

std::string_view to_string(retry advice) noexcept {
  switch (advice) {
    case retry::now: return "now";
    case retry::after_backoff: return "after_backoff";
    case retry::never: return "never";
    case retry::fix_request: return "fix_request";
  }
  return "never";
}

std::ostream& operator<<(std::ostream& out, retry advice) { return out << to_string(advice); }

}  // namespace tandem
