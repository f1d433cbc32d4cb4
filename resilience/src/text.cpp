#include "text.hpp"

#include <fmt/format.h>

namespace tandem::resilience::detail {

std::string text_of(duration d) {
  const double ns = static_cast<double>(d.count());
  const double size = ns < 0 ? -ns : ns;
  if (size < 1e3) return fmt::format("{}ns", d.count());
  if (size < 1e6) return fmt::format("{:.3g}us", ns / 1e3);
  if (size < 1e9) return fmt::format("{:.3g}ms", ns / 1e6);
  return fmt::format("{:.6g}s", ns / 1e9);
}

std::string percent(double share) { return fmt::format("{:.3g}%", share * 100); }

}  // namespace tandem::resilience::detail
