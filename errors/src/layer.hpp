// What an error points to. Internal: error.cpp makes and destroys layers, format.cpp reads them through layer_view.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tandem/errors/error.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/stack.hpp>

namespace tandem::internal {

// The texts of a layer that came from another process, where the site cannot point into our own binary.
struct foreign_texts {
  std::string file;
  std::string function;
  std::string node;
  std::vector<std::string> frames;
};

// (L1) A layer is written only while its maker holds the only share, and never after: that is what makes concurrent
// reading safe without a lock. with() writes to an existing layer after it has found itself to be the only holder.
// (L2) The addresses of the stack follow the layer in the same allocation, so that making an error costs one.
struct layer : detail::error_node {
  constexpr layer(std::uint32_t initial_shares, errc its_code) noexcept : error_node(initial_shares), code(its_code) {}
  layer(const layer&) = delete;
  layer& operator=(const layer&) = delete;

  std::span<const void* const> calls() const noexcept { return {addresses(), call_count}; }
  std::span<const void* const> awaiters() const noexcept { return {addresses() + call_count, awaiter_count}; }

  // The layer's contribution to message().
  std::string_view text() const noexcept {
    return message.empty() && inner == nullptr ? to_string(code) : std::string_view(message);
  }

  const layer* inner = nullptr;  // holds one share of it
  std::string message;
  std::vector<error_field> fields;
  std::unique_ptr<foreign_texts> foreign;  // replaces file and function if set
  const char* file = "";
  const char* function = "";
  std::uint32_t line = 0;
  errc code;                       // its own, or copied from `inner`
  bool own_code = true;
  bool traced = false;             // this layer or an inner one has a stack of this process
  std::uint8_t call_count = 0;     // (L2)
  std::uint8_t awaiter_count = 0;  // (L2)

 private:
  const void* const* addresses() const noexcept { return reinterpret_cast<const void* const*>(this + 1); }
};

inline const layer* as_layer(const detail::error_node* node) noexcept { return static_cast<const layer*>(node); }

}  // namespace tandem::internal
