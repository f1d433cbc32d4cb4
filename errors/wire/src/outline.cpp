#include "outline.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "received.hpp"

namespace tandem::internal {
namespace {

// How many layers stood where this one tells of layers that were elided: it is no layer to be sent.
std::optional<std::uint32_t> elided_at(const layer_view& layer) {
  return layer.next() ? elided_by(layer) : std::nullopt;
}

// The number of layers of a branch, and the one that ends it.
std::size_t length_of(layer_view branch, layer_view& end) {
  std::size_t length = 0;
  for (; branch; branch = branch.next()) {
    end = branch;
    length += elided_at(branch) ? 0 : 1;
  }
  return length;
}

std::size_t count_layers(const error& e) {
  std::vector<layer_view> branches{e.first_layer()};
  std::size_t count = 0;
  while (!branches.empty()) {
    layer_view end = branches.back();
    branches.pop_back();
    count += length_of(end, end);
    for (const error& cause : end.causes()) branches.push_back(cause.first_layer());
  }
  return count;
}

class outliner {
 public:
  explicit outliner(const wire_limits& limits) : limits_(limits) {}

  std::vector<candidate> outline(const error& e) && {
    crowded_ = count_layers(e) > limits_.layers;
    pending_.push_back({e.first_layer(), nowhere});
    while (!pending_.empty()) {
      const branch next = pending_.back();
      pending_.pop_back();
      take(next);
    }
    return std::move(found_);
  }

 private:
  struct branch {
    layer_view first;
    std::size_t around;
  };

  void take(const branch& which) {
    layer_view end;
    const std::size_t length = length_of(which.first, end);
    // Few branches may have many candidates, or many branches a few.
    share_ = std::max<std::size_t>(limits_.layers / ++branches_, 8);
    std::size_t around = which.around;
    std::size_t skipped = 0;
    std::size_t at = 0;
    for (layer_view layer = which.first; layer; layer = layer.next()) {
      if (const auto elided = elided_at(layer)) {
        skipped += *elided;
        continue;
      }
      candidate c{layer, around, skipped, roots_, std::min(2 * at, 2 * (length - 1 - at) + 1)};
      ++at;
      c.has_identity = layer.has_own_code() || !layer.kind_key().empty();
      c.ends_branch = layer == end;
      if (!is_worth_it(c)) {
        ++skipped;
        continue;
      }
      around = found_.size();
      skipped = 0;
      found_.push_back(c);
    }
    const std::span<const error> causes = end.causes();
    if (causes.empty()) ++roots_;
    for (std::size_t i = causes.size(); i > 0; --i) pending_.push_back({causes[i - 1].first_layer(), around});
  }

  bool is_worth_it(const candidate& c) {
    if (!crowded_ || c.ends_branch || c.rank < share_) return true;
    return c.has_identity && identities_++ < limits_.layers;
  }

  const wire_limits& limits_;
  std::vector<candidate> found_;
  std::vector<branch> pending_;
  bool crowded_ = false;  // there are more layers than can be sent
  std::size_t branches_ = 0;
  std::size_t share_ = 0;
  std::size_t roots_ = 0;
  std::size_t identities_ = 0;
};

}  // namespace

std::vector<candidate> outline_of(const error& e, const wire_limits& limits) { return outliner(limits).outline(e); }

}  // namespace tandem::internal
