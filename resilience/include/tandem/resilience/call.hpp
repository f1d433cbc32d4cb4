// call: what a policy knows of the call that it is around.
#pragma once
#include <cstdint>
#include <string_view>

namespace tandem::resilience {

/// How much it matters that a call is served; what matters least is shed first. (Beyer et al., "Site Reliability
/// Engineering", O'Reilly 2016, chapter 21.)
enum class criticality : std::uint8_t {
  sheddable,       ///< Partial outages are expected: batch work that comes again.
  sheddable_plus,  ///< Sheddable, but later.
  critical,        ///< The default: users notice.
  critical_plus,   ///< Shed last.
};
[[nodiscard]] std::string_view to_string(criticality c) noexcept;

/// Describes a call to the policies around it, and to the function that is called. Policies hand changed copies
/// inwards: who reads a call in the function sees the attempt, and the target that was chosen.
///
/// Owns: nothing. The texts outlive the call.
struct call {
  std::string_view method = {};  ///< What is called: policies may keep apart what they know of each.
  std::string_view target = {};  ///< Whom: set by the caller, or by a policy that chooses among several.
  /// Doing it twice does no harm, also at once. Only such calls are hedged or, where an attempt may have had an effect,
  /// tried again.
  bool idempotent = false;
  criticality matters = criticality::critical;
  std::uint32_t attempt = 1;  ///< Which try it is, from 1.
  std::uint32_t copy = 0;     ///< Which of several at once: 0 for the first, then one more for each that the
                           ///< innermost hedge has sent.
  const void* counted_in = nullptr;  ///< Not for users: the retry_budget that has counted it.
};

}  // namespace tandem::resilience
