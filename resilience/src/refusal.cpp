#include "refusal.hpp"

#include <algorithm>
#include <string>

#include <tandem/errors/retry_after.hpp>

namespace tandem::resilience::detail {

error refusal(errc code, const policy_state& by, std::string_view why, duration wait) {
  std::string text;
  text.reserve(by.name().size() + 2 + why.size());
  text.append(by.name()).append(": ").append(why);
  return with_retry_after(with_message(error_of(code), std::move(text)),
                          std::max<duration>(wait, std::chrono::milliseconds(1)));
}

}  // namespace tandem::resilience::detail
