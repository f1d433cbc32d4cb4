#include <tandem/cluster/options.hpp>

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "address.hpp"

namespace tandem::cluster {
namespace {

bool is_node_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

result<void> check_name(std::string_view what, std::string_view name) {
  if (is_node_name(name)) return {};
  return fail(errc::invalid_argument,
              fmt::format("{} '{}' is not a node name: use 1 to 63 characters from a-z 0-9 . - _", what, name));
}

result<void> check_range(std::string_view what, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
  if (value >= low && value <= high) return {};
  return fail(errc::invalid_argument, fmt::format("{} is {}: it must be from {} to {}", what, value, low, high));
}

result<void> check_members(const node_options& options) {
  std::set<std::string_view> seen;
  for (const auto& other : options.members) {
    TANDEM_TRY(check_name("member", other.name));
    if (!seen.insert(other.name).second)
      return fail(errc::invalid_argument, fmt::format("member '{}' is listed twice: keep one entry", other.name));
    if (other.name == options.name) continue;
    if (auto at = internal::parse_address(other.address); !at) {
      return fail(wrap(std::move(at).error(), fmt::format("address of member '{}'", other.name)));
    } else if (at->port == 0) {
      return fail(errc::invalid_argument,
                  fmt::format("address '{}' of member '{}' has port 0: give the port it listens on", other.address,
                              other.name));
    }
  }
  return {};
}

result<void> check_security(const node_options& options) {
  const auto& tls = options.tls;
  const int given = !tls.ca.empty() + !tls.certificate.empty() + !tls.private_key.empty();
  if (options.insecure_plaintext && given != 0)
    return fail(errc::invalid_argument, "both TLS files and insecure_plaintext are given: choose one");
  if (!options.insecure_plaintext && given != 3)
    return fail(errc::invalid_argument,
                fmt::format("{} of the 3 TLS files are given: set tls.ca, tls.certificate and tls.private_key (or, "
                            "among trusted machines only, insecure_plaintext)",
                            given));
  if (tls.reload_interval < std::chrono::seconds(1))
    return fail(errc::invalid_argument, "tls.reload_interval must be at least 1 s");
  return {};
}

}  // namespace

result<void> validate(const node_options& options) {
  TANDEM_TRY(check_name("name", options.name));
  if (options.cluster_name.empty() || options.cluster_name.size() > 255)
    return fail(errc::invalid_argument, "cluster_name must have 1 to 255 characters");
  if (auto at = internal::parse_address(options.listen_address); !at)
    return fail(wrap(std::move(at).error(), "listen_address"));
  TANDEM_TRY(check_members(options));
  TANDEM_TRY(check_security(options));

  const std::uint64_t gib = std::uint64_t{1} << 30;
  TANDEM_TRY(check_range("limits.receive_window_bytes", options.limits.receive_window_bytes, 64 << 10, gib));
  TANDEM_TRY(check_range("limits.max_record_bytes", options.limits.max_record_bytes, 4 << 10, gib));

  const auto& timing = options.timing;
  const auto [shortest, longest] = std::minmax({timing.connect_timeout, timing.backoff_initial, timing.backoff_max,
                                                timing.keepalive_interval, timing.keepalive_timeout, timing.down_after});
  if (shortest <= std::chrono::milliseconds::zero() || longest > std::chrono::hours(24))
    return fail(errc::invalid_argument, "every duration in timing must be positive and at most a day");
  if (timing.backoff_initial > timing.backoff_max)
    return fail(errc::invalid_argument, "timing.backoff_initial must not exceed timing.backoff_max");
  return {};
}

}  // namespace tandem::cluster
