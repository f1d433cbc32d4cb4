// What an error points to. Internal: error.cpp makes and destroys layers, the rest of the library reads them, mostly
// through layer_view.
#pragma once
#include <any>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
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
  std::string kind_key;
  std::vector<std::string> frames;
  std::string received;
  std::string short_code;
};

// Joins of joins may leave out more than can be counted: there the count stops, where sums over a tree still fit.
inline constexpr std::size_t most_left_out = std::numeric_limits<std::uint32_t>::max();

// What few layers have.
struct layer_extras {
  std::unique_ptr<const foreign_texts> foreign;  // replaces the layer's site and kind if set
  std::any payload;
  std::vector<error> causes;  // of a join
  std::size_t left_out = 0;   // errors that there was no room for in `causes`, at most most_left_out

  layer_extras() = default;
  layer_extras(const layer_extras& other)
      : foreign(other.foreign != nullptr ? std::make_unique<foreign_texts>(*other.foreign) : nullptr),
        payload(other.payload), causes(other.causes), left_out(other.left_out) {}
  layer_extras& operator=(const layer_extras&) = delete;
};

// (L1) A layer is written only while its maker holds the only share, and never after: that is what makes concurrent
// reading safe without a lock. with() and join() write to an existing layer after they have found themselves to be the
// only holder.
// (L2) The addresses of the stack follow the layer in the same allocation, and a copy of the task's name, which may go
// with the task: so making an error costs one.
// (L3) A join leaves out causes with which its tree would have more roots, layers or text than below, counting each as
// often as it can be reached: what walks a tree needs no memory of where it has been.
inline constexpr std::size_t max_joined_layers = std::size_t{1} << 16;
inline constexpr std::size_t max_joined_text = std::size_t{64} << 20;  // bytes of all messages

struct layer : detail::error_node {
  constexpr layer(std::uint32_t initial_shares, errc its_code) noexcept
      : error_node(initial_shares), code(its_code), codes(bit_of(its_code)) {}
  layer(const layer&) = delete;
  layer& operator=(const layer&) = delete;

  static constexpr std::uint64_t bit_of(errc code) noexcept {
    const auto number = static_cast<unsigned>(code);
    return number < 64 ? std::uint64_t{1} << number : 0;
  }

  stack_parts stack() const noexcept {
    const auto* addresses = reinterpret_cast<const void* const*>(this + 1);
    return {{addresses, call_count}, {addresses + call_count, awaiter_count}, task_name, spawn_site};
  }

  std::span<const error> causes() const noexcept {
    return extras != nullptr ? std::span<const error>(extras->causes) : std::span<const error>();
  }
  const foreign_texts* foreign() const noexcept { return extras != nullptr ? extras->foreign.get() : nullptr; }
  bool is_root() const noexcept { return inner == nullptr && causes().empty(); }

  // The layer's own contribution to message().
  std::string_view text() const noexcept { return message.empty() && is_root() ? to_string(code) : std::string_view(message); }

  const layer* inner = nullptr;  // holds one share of it; null for a join
  std::string message;
  std::vector<error_field> fields;
  std::unique_ptr<layer_extras> extras;
  std::string_view kind_key;  // of static storage, or of extras->foreign
  const char* file = "";
  const char* function = "";
  const char* task_name = nullptr;    // (L2)
  std::source_location spawn_site;    // (L2)
  std::uint32_t line = 0;
  std::uint32_t roots = 1;         // (L3)
  std::uint64_t layers = 1;        // (L3)
  std::uint64_t text_bytes = 0;    // (L3)
  errc code;                       // its own, or copied from below
  bool own_code = true;
  bool traced = false;             // this layer or one below has a stack of this process
  std::uint8_t call_count = 0;     // (L2)
  std::uint8_t awaiter_count = 0;  // (L2)
  std::uint64_t codes;             // bit_of() the own code and those of all layers below
  layer* next_dead = nullptr;      // while the layer waits for its destruction
};

inline const layer* as_layer(const detail::error_node* node) noexcept { return static_cast<const layer*>(node); }

// The outermost layer; null for no error.
const layer* top_of(const error& e) noexcept;

// make_error() with a stack that was taken elsewhere.
[[nodiscard]] error make_error(errc code, std::string message, const std::source_location& where, const stack_trace& stack);

// The layers of a tree, each before those below it, causes from left to right. Never recurses.
class layer_walk {
 public:
  explicit layer_walk(const error& e) : at_(top_of(e)) {}

  explicit operator bool() const noexcept { return at_ != nullptr; }
  const layer& operator*() const noexcept { return *at_; }
  const layer* operator->() const noexcept { return at_; }

  void advance() {
    const std::span<const error> causes = at_->causes();
    for (std::size_t i = causes.size(); i > 1; --i) later_.push_back(top_of(causes[i - 1]));
    at_ = causes.empty() ? at_->inner : top_of(causes[0]);
    if (at_ != nullptr || later_.empty()) return;
    at_ = later_.back();
    later_.pop_back();
  }

 private:
  const layer* at_;
  std::vector<const layer*> later_;
};

}  // namespace tandem::internal
