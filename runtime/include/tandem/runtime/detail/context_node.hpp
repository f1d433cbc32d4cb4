// A link of a chain of contexts, as far as inlined operations and typed values need to know it.
#pragma once
#include <atomic>
#include <cstdint>
#include <utility>

#include <tandem/runtime/detail/pool.hpp>

namespace tandem::detail {

struct cancel_scope;
struct context_value;

/// A context is a chain of such nodes, innermost first: scopes, which end, and values.
///
/// (N1) A node holds a share of its parent, which release() drops after deleting the node. So `scope` and `values`,
///      which are the node itself or above it, live as long as the node does.
struct context_state : pooled {
  std::atomic<std::uint32_t> shares{1};
  context_state* const parent;         // null at the top
  cancel_scope* const scope;           // what ends the context; null: nothing does
  context_value* const values;         // the nearest value; null: there is none

  context_state(const context_state&) = delete;
  context_state& operator=(const context_state&) = delete;
  virtual ~context_state() = default;

 protected:
  /// A node of whose parent the derived class has taken a share, or will before it can be released.
  context_state(context_state* above, cancel_scope* ends, context_value* nearest) noexcept
      : parent(above), scope(ends), values(nearest) {}
};

void retain(context_state& state) noexcept;
void release(context_state& state) noexcept;

/// A node that holds a value; typed_value has it.
struct context_value : context_state {
  const void* const key;

  /// `above` may be null.
  context_value(context_state* above, const void* which) noexcept
      : context_state(above, above ? above->scope : nullptr, this), key(which) {}
};

template <class T>
struct typed_value final : context_value {
  const T held;
  typed_value(context_state* above, const void* which, T&& value)
      : context_value(above, which), held(std::move(value)) {
    if (above) retain(*above);  // last: nothing throws from here on
  }
};

/// The nearest value with this key, from `state` upwards; null if there is none. `state` may be null.
[[nodiscard]] const context_value* find_value(const context_state* state, const void* key) noexcept;

}  // namespace tandem::detail
