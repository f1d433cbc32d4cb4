#include <tandem/errors/kind_registry.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include <tandem/errors/short_code.hpp>

#include "kind_list.hpp"

namespace tandem {
namespace {

// Copies: a kind may be gone, and with it the library that had its texts, before its code is computed.
std::vector<std::string> declared_keys() {
  std::vector<std::string> keys;
  kind_list::for_each([&keys](const kind& k) { keys.emplace_back(k.key()); });
  std::ranges::sort(keys);
  const auto repeated = std::ranges::unique(keys);
  keys.erase(repeated.begin(), repeated.end());
  return keys;
}

}  // namespace

std::vector<kind_collision> kind_collisions() {
  struct coded_key {
    std::string code;
    std::string key;
    auto operator<=>(const coded_key&) const = default;
  };
  std::vector<coded_key> kinds;
  for (std::string& key : declared_keys()) {
    std::string code = short_code(key);
    kinds.push_back({std::move(code), std::move(key)});
  }
  std::ranges::sort(kinds);

  std::vector<kind_collision> found;
  const coded_key* first = nullptr;  // the least key of its code
  for (const coded_key& k : kinds) {
    if (first != nullptr && first->code == k.code) found.push_back({k.code, first->key, k.key});
    else first = &k;
  }
  return found;
}

void report_kind_collisions() noexcept {
  try {
    for (const kind_collision& c : kind_collisions()) {
      fmt::print(stderr,
                 "tandem: the error kinds {} and {} have the same short code {}; rename the newer one, or nobody can "
                 "tell from the code which it was\n",
                 c.first_key, c.second_key, c.code);
    }
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "tandem: cannot check the codes of error kinds: %s\n", problem.what());
  }
}

}  // namespace tandem
