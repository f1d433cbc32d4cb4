// state_per: what a policy keeps apart.
#pragma once
#include <cstdint>
#include <string_view>

namespace tandem::resilience {

/// Which calls share what a policy knows. Of the states that are kept apart at most about as many are kept as the
/// policy's options say: beyond that one goes that was used long ago, of a breaker rather one that is closed. What is
/// in use stays, so there are more while more calls than that are under way.
enum class state_per : std::uint8_t {
  policy,             ///< All of them.
  target,             ///< Those to one target.
  method,             ///< Those of one method.
  target_and_method,  ///< Those of one method of one target.
};
[[nodiscard]] std::string_view to_string(state_per p) noexcept;

}  // namespace tandem::resilience
