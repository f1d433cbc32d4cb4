#include <tandem/errors/error.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "layer.hpp"

namespace tandem {

namespace detail {
struct error_access {
  static error adopt(const error_node* node) noexcept { return error(node); }
  static error share(const error_node* node) noexcept {
    error shared(node);
    shared.share();
    return shared;
  }
  static const error_node* top(const error& e) noexcept { return e.top_; }
  static const error_node* release(error&& e) noexcept { return std::exchange(e.top_, nullptr); }
};
}  // namespace detail

namespace internal {
namespace {

using detail::error_access;

const layer* top_of(const error& e) noexcept { return as_layer(error_access::top(e)); }

void destroy(const layer* dead) noexcept {
  dead->~layer();
  ::operator delete(const_cast<layer*>(dead));
}

// A layer while its maker holds the only share (L1).
class layer_draft {
 public:
  layer_draft(errc code, const stack_trace& stack) : layer_draft(code, stack.calls(), stack.awaiters()) {}
  layer_draft(errc code, std::span<const void* const> calls, std::span<const void* const> awaiters) {
    void* memory = ::operator new(sizeof(layer) + (calls.size() + awaiters.size()) * sizeof(void*));
    layer_ = ::new (memory) layer(1, code);
    auto* addresses = reinterpret_cast<const void**>(layer_ + 1);
    std::ranges::copy(awaiters, std::ranges::copy(calls, addresses).out);
    layer_->call_count = static_cast<std::uint8_t>(calls.size());
    layer_->awaiter_count = static_cast<std::uint8_t>(awaiters.size());
    layer_->traced = !calls.empty();
  }
  layer_draft(const layer_draft&) = delete;
  layer_draft& operator=(const layer_draft&) = delete;
  ~layer_draft() {
    if (layer_ != nullptr) destroy(layer_);
  }

  layer* operator->() noexcept { return layer_; }

  void place(std::string message, const std::source_location& where) noexcept {
    layer_->message = std::move(message);
    layer_->file = where.file_name();
    layer_->function = where.function_name();
    layer_->line = where.line();
  }

  // The finished chain, with the draft around `inner`.
  error finish(error inner) && noexcept {
    layer_->inner = as_layer(error_access::release(std::move(inner)));
    if (layer_->inner != nullptr) layer_->traced |= layer_->inner->traced;
    return error_access::adopt(std::exchange(layer_, nullptr));
  }

 private:
  layer* layer_;
};

error add_message(error inner, std::string message, const std::source_location& where, const stack_trace& stack) {
  layer_draft draft(inner.code(), stack);
  draft.place(std::move(message), where);
  draft->own_code = false;
  return std::move(draft).finish(std::move(inner));
}

// The layers of error_of(). A union, so that they are never destroyed: errors may be used while the program exits.
union immortal_layer {
  constexpr explicit immortal_layer(errc code) noexcept : value(detail::error_node::immortal, code) {}
  constexpr ~immortal_layer() {}
  layer value;
};

constexpr std::size_t immortal_count = static_cast<std::size_t>(errc::circuit_open) + 1;

// Indexed by the code; the gaps in the numbering are never handed out.
template <std::size_t... Number>
constexpr std::array<immortal_layer, sizeof...(Number)> make_immortals(std::index_sequence<Number...>) noexcept {
  return {immortal_layer(static_cast<errc>(Number))...};
}
constinit std::array<immortal_layer, immortal_count> immortals =
    make_immortals(std::make_index_sequence<immortal_count>());

}  // namespace
}  // namespace internal

using internal::as_layer;
using internal::layer_draft;
using internal::top_of;

void error::drop() noexcept {
  // A loop, not recursion: a chain may be as long as a retry loop that wraps is patient.
  const internal::layer* top = as_layer(std::exchange(top_, nullptr));
  while (top != nullptr && top->shares.load(std::memory_order_relaxed) != detail::error_node::immortal) {
    // (R2) release: what this thread read from or wrote to the layer is over before its share is gone; acquire: the
    // thread that drops the last share destroys only after all that. Pairs with the fetch_sub of the other holders
    // and with the load in with().
    if (top->shares.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    internal::destroy(std::exchange(top, top->inner));
  }
}

errc error::code() const noexcept { return top_ != nullptr ? as_layer(top_)->code : errc::unknown; }

std::string error::message() const {
  std::string text;
  for (const auto* layer = as_layer(top_); layer != nullptr; layer = layer->inner) {
    const std::string_view part = layer->text();
    if (part.empty()) continue;
    if (!text.empty()) text += ": ";
    text += part;
  }
  return text;
}

bool error::is(errc code) const noexcept {
  for (const auto* layer = as_layer(top_); layer != nullptr; layer = layer->inner) {
    if (layer->own_code && layer->code == code) return true;
  }
  return false;
}

bool operator==(const error& a, const error& b) {
  if (a.top_ == b.top_) return true;
  return a && b && a.code() == b.code() && a.message() == b.message();
}

error make_error(errc code, std::string message, std::source_location where) {
  layer_draft draft(code, stack_trace::capture(1));
  draft.place(std::move(message), where);
  return std::move(draft).finish(error());
}

error error_of(errc code) noexcept {
  const auto number = static_cast<std::size_t>(errc_from_number(static_cast<int>(code)));
  return detail::error_access::adopt(&internal::immortals[number].value);
}

error wrap(error inner, std::string message, std::source_location where) {
  if (!inner) return inner;
  const bool traced = top_of(inner)->traced;
  return internal::add_message(std::move(inner), std::move(message), where,
                               traced ? stack_trace() : stack_trace::capture(1));
}

error wrap(error inner, errc code, std::string message, std::source_location where) {
  if (!inner) return inner;
  layer_draft draft(code, top_of(inner)->traced ? stack_trace() : stack_trace::capture(1));
  draft.place(std::move(message), where);
  return std::move(draft).finish(std::move(inner));
}

error with_message(error inner, std::string message, std::source_location where) {
  if (!inner) return inner;
  return internal::add_message(std::move(inner), std::move(message), where, stack_trace());
}

error with(error e, std::string key, std::string value) {
  if (!e) return e;
  const internal::layer* top = top_of(e);
  // acquire: pairs with R2, so that everything other holders did with the layer is over. A count of one cannot grow
  // meanwhile, as `e` is the only share there is to copy.
  if (top->shares.load(std::memory_order_acquire) == 1) {
    const_cast<internal::layer*>(top)->fields.push_back({std::move(key), std::move(value)});
    return e;
  }
  layer_draft copy(top->code, top->calls(), top->awaiters());
  copy->message = top->message;
  copy->fields.reserve(top->fields.size() + 1);
  copy->fields = top->fields;
  copy->fields.push_back({std::move(key), std::move(value)});
  if (top->foreign != nullptr) copy->foreign = std::make_unique<internal::foreign_texts>(*top->foreign);
  copy->file = top->file;
  copy->function = top->function;
  copy->line = top->line;
  copy->own_code = top->own_code;
  return std::move(copy).finish(detail::error_access::share(top->inner));
}

error cause(const error& e) noexcept {
  const internal::layer* root = top_of(e);
  while (root != nullptr && root->inner != nullptr) root = root->inner;
  return detail::error_access::share(root);
}

error add_layer(error inner, layer_data data) {
  layer_draft draft(data.code.value_or(inner.code()), stack_trace());
  draft->message = std::move(data.message);
  draft->fields = std::move(data.fields);
  draft->foreign = std::make_unique<internal::foreign_texts>(std::move(data.file), std::move(data.function),
                                                             std::move(data.node), std::move(data.frames));
  draft->line = data.line;
  draft->own_code = data.code.has_value() || !inner;
  return std::move(draft).finish(std::move(inner));
}

}  // namespace tandem
