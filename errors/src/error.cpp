#include <tandem/errors/error.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <span>
#include <string_view>
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
  static const error_node* release(error& e) noexcept { return std::exchange(e.top_, nullptr); }
};
}  // namespace detail

namespace internal {

using detail::error_access;

const layer* top_of(const error& e) noexcept { return as_layer(error_access::top(e)); }

namespace {

// A layer while its maker holds the only share (L1).
class layer_draft {
 public:
  explicit layer_draft(errc code) : layer_draft(code, stack_parts()) {}
  layer_draft(errc code, const stack_trace& stack)
      : layer_draft(code, stack_parts{stack.calls(), stack.awaiters(), stack.task_name(), stack.spawn_site()}) {}
  layer_draft(errc code, const stack_parts& stack) {
    const std::size_t addresses = stack.calls.size() + stack.awaiters.size();
    const std::string_view name = stack.task_name != nullptr ? stack.task_name : "";
    void* memory = ::operator new(sizeof(layer) + addresses * sizeof(void*) + name.size() + 1);
    layer_ = ::new (memory) layer(1, code);
    auto* const calls = reinterpret_cast<const void**>(layer_ + 1);
    auto* const end = std::ranges::copy(stack.awaiters, std::ranges::copy(stack.calls, calls).out).out;
    if (stack.task_name != nullptr) {
      auto* const copy = reinterpret_cast<char*>(end);
      *std::ranges::copy(name, copy).out = '\0';
      layer_->task_name = copy;
    }
    layer_->call_count = static_cast<std::uint8_t>(stack.calls.size());
    layer_->awaiter_count = static_cast<std::uint8_t>(stack.awaiters.size());
    layer_->spawn_site = stack.spawn_site;
    layer_->traced = !stack.calls.empty();
  }
  layer_draft(layer_draft&& other) noexcept : layer_(std::exchange(other.layer_, nullptr)) {}
  ~layer_draft() {
    if (layer_ != nullptr) (void)error_access::adopt(layer_);
  }

  layer* operator->() noexcept { return layer_; }

  layer_extras& extras() {
    if (layer_->extras == nullptr) layer_->extras = std::make_unique<layer_extras>();
    return *layer_->extras;
  }

  void place(std::string message, const std::source_location& where) noexcept {
    layer_->message = std::move(message);
    layer_->file = where.file_name();
    layer_->function = where.function_name();
    layer_->line = where.line();
  }

  // The finished root.
  error finish() && noexcept {
    layer_->text_bytes += layer_->message.size();
    return error_access::adopt(std::exchange(layer_, nullptr));
  }

  // The finished chain, with the draft around `inner`.
  error finish(error inner) && noexcept {
    if (const layer* below = as_layer(error_access::release(inner))) {
      layer_->inner = below;
      layer_->traced |= below->traced;
      layer_->codes |= below->codes;
      layer_->roots = below->roots;
      layer_->layers += below->layers;
      layer_->text_bytes = below->text_bytes;
    }
    return std::move(*this).finish();
  }

  // The finished tree, with the draft joining causes that fit (L3).
  error finish_join(std::vector<error> causes) && {
    layer_extras& mine = extras();
    layer_->roots = 0;
    mine.causes.reserve(causes.size());
    for (error& e : causes) add_cause(*layer_, std::move(e));
    return std::move(*this).finish();
  }

  static void count_left_out(layer& join, std::size_t more) noexcept {
    join.extras->left_out = std::min(join.extras->left_out + more, most_left_out);
  }

  static void add_cause(layer& join, error&& cause) {
    const layer& added = *top_of(cause);
    join.codes |= added.codes;
    join.traced |= added.traced;
    // The first cause stays however large it is: it costs no more joined than alone.
    const bool fits = join.roots + added.roots <= max_joined_roots && join.layers + added.layers <= max_joined_layers &&
                      join.text_bytes + added.text_bytes <= max_joined_text;
    if (!fits && !join.extras->causes.empty()) return count_left_out(join, added.roots);
    join.roots += added.roots;
    join.layers += added.layers;
    join.text_bytes += added.text_bytes;
    join.extras->causes.push_back(std::move(cause));
  }

 private:
  layer* layer_;
};

error wrap_with(error inner, std::string message, const std::source_location& where, const stack_trace& stack) {
  layer_draft draft(inner.code(), stack);
  draft.place(std::move(message), where);
  draft->own_code = false;
  return std::move(draft).finish(std::move(inner));
}

error wrap_as(error inner, errc code, std::string_view kind_key, std::string message, const std::source_location& where,
              const stack_trace& stack) {
  layer_draft draft(code, stack);
  draft.place(std::move(message), where);
  draft->kind_key = kind_key;
  return std::move(draft).finish(std::move(inner));
}

// The outermost layer of `e` for writing (L1): itself if `e` is its only share, otherwise a copy that replaces it.
layer& own_top(error& e) {
  const layer* top = top_of(e);
  // acquire: pairs with R2, so that everything other holders did with the layer is over. A count of one cannot grow
  // meanwhile, as `e` is the only share there is to copy.
  if (top->shares.load(std::memory_order_acquire) == 1) return const_cast<layer&>(*top);
  layer_draft copy(top->code, top->stack());
  copy->message = top->message;
  copy->fields = top->fields;
  if (top->extras != nullptr) copy->extras = std::make_unique<layer_extras>(*top->extras);
  copy->kind_key = top->foreign() != nullptr ? std::string_view(copy->foreign()->kind_key) : top->kind_key;
  copy->file = top->file;
  copy->function = top->function;
  copy->line = top->line;
  copy->own_code = top->own_code;
  copy->traced = top->traced;
  copy->codes = top->codes;
  copy->roots = top->roots;
  copy->layers = top->layers;
  copy->text_bytes = top->text_bytes - top->message.size();  // finish() adds it
  error inner = error_access::share(top->inner);
  copy->inner = as_layer(error_access::release(inner));
  e = std::move(copy).finish();
  return const_cast<layer&>(*top_of(e));
}

error add_field(error e, error_field added) {
  if (e) own_top(e).fields.push_back(std::move(added));
  return e;
}

// True for a layer that only joins: its causes may as well belong to the join around it.
bool is_bare_join(const layer& l) noexcept {
  return !l.causes().empty() && l.message.empty() && l.fields.empty() && !l.own_code && l.foreign() == nullptr &&
         !l.extras->payload.has_value();
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
#if defined(__clang__) && defined(_GLIBCXX_RELEASE) && _GLIBCXX_RELEASE < 13
// clang does not evaluate this std::string at compile time: there, these layers are no errors before main().
std::array<immortal_layer, immortal_count> immortals = make_immortals(std::make_index_sequence<immortal_count>());
#else
constinit std::array<immortal_layer, immortal_count> immortals =
    make_immortals(std::make_index_sequence<immortal_count>());
#endif

// What is put before a part of a message that is already there.
void separate(std::string& text, bool& first) {
  if (!std::exchange(first, false)) text += ": ";
}

}  // namespace

error make_error(errc code, std::string message, const std::source_location& where, const stack_trace& stack) {
  layer_draft draft(code, stack);
  draft.place(std::move(message), where);
  return std::move(draft).finish();
}

}  // namespace internal

using internal::as_layer;
using internal::layer_draft;
using internal::layer_walk;
using internal::top_of;

void error::drop() noexcept {
  // A list of the dead, not recursion: a chain may be as long as a retry loop that wraps is patient, and joins nest.
  internal::layer* dead = nullptr;
  const auto give_up = [&dead](const internal::layer* share) noexcept {
    if (share == nullptr || share->shares.load(std::memory_order_relaxed) == detail::error_node::immortal) return;
    // (R2) release: what this thread read from or wrote to the layer is over before its share is gone; acquire: the
    // thread that drops the last share destroys only after all that. Pairs with the fetch_sub of the other holders
    // and with the load in own_top().
    if (share->shares.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    auto* const last = const_cast<internal::layer*>(share);
    last->next_dead = std::exchange(dead, last);
  };
  give_up(as_layer(std::exchange(top_, nullptr)));
  while (dead != nullptr) {
    internal::layer* const layer = std::exchange(dead, dead->next_dead);
    give_up(layer->inner);
    if (layer->extras != nullptr)
      for (error& e : layer->extras->causes) give_up(as_layer(detail::error_access::release(e)));
    layer->~layer();
    ::operator delete(layer);
  }
}

errc error::code() const noexcept { return top_ != nullptr ? as_layer(top_)->code : errc::unknown; }

std::string error::message() const {
  struct open_join {
    std::span<const error> causes;
    std::size_t next;
    std::size_t left_out;
  };
  std::vector<open_join> open;
  std::string text;
  bool first = true;
  const internal::layer* layer = as_layer(top_);
  if (layer != nullptr) text.reserve(layer->text_bytes + 2 * layer->layers);
  while (layer != nullptr) {
    if (const std::string_view part = layer->text(); !part.empty()) {
      internal::separate(text, first);
      text += part;
    }
    if (!layer->causes().empty()) {
      internal::separate(text, first);
      text += '[';
      first = true;
      open.push_back({layer->causes(), 1, layer->extras->left_out});
      layer = top_of(layer->causes()[0]);
      continue;
    }
    layer = layer->inner;
    while (layer == nullptr && !open.empty()) {
      open_join& join = open.back();
      if (join.next < join.causes.size()) {
        text += "; ";
        first = true;
        layer = top_of(join.causes[join.next++]);
      } else {
        if (join.left_out > 0) text.append("; and ").append(std::to_string(join.left_out)).append(" more");
        text += ']';
        open.pop_back();
      }
    }
  }
  return text;
}

std::string_view error::kind_key() const noexcept {
  const internal::layer* layer = as_layer(top_);
  while (layer != nullptr && !layer->own_code && layer->kind_key.empty()) {
    const std::span<const error> causes = layer->causes();
    layer = causes.empty() ? layer->inner : top_of(causes[0]);
  }
  return layer != nullptr ? layer->kind_key : std::string_view();
}

bool error::is(errc code) const noexcept {
  return top_ != nullptr && (as_layer(top_)->codes & internal::layer::bit_of(code)) != 0;
}

bool error::is(const kind& which) const {
  for (layer_walk layer(*this); layer; layer.advance())
    if (layer->kind_key == which.key()) return true;
  return false;
}

bool error::is(const error& sentinel) const {
  const internal::layer* wanted = top_of(sentinel);
  if (wanted == nullptr) return false;
  for (layer_walk layer(*this); layer; layer.advance()) {
    if (&*layer == wanted) return true;
    if (layer->kind_key != wanted->kind_key) continue;
    if (!wanted->kind_key.empty()) return true;
    if (layer->code == wanted->code && layer->text() == wanted->text()) return true;
  }
  return false;
}

const std::any* error::payload(const std::type_info& type) const {
  for (layer_walk layer(*this); layer; layer.advance())
    if (layer->extras != nullptr && layer->extras->payload.type() == type) return &layer->extras->payload;
  return nullptr;
}

bool operator==(const error& a, const error& b) {
  if (a.top_ == b.top_) return true;
  return a && b && a.code() == b.code() && a.message() == b.message();
}

error make_error(errc code, message_text message, std::source_location where) {
  return internal::make_error(code, std::move(message).take(), where, stack_trace::capture(1));
}

error make_error(const kind& which, message_text message, std::source_location where) {
  return internal::wrap_as(error(), which.code(), which.key(), std::move(message).take(), where, stack_trace::capture(1));
}

error make_sentinel(errc code, message_text message) {
  layer_draft draft(code);
  draft->message = std::move(message).take();
  return std::move(draft).finish();
}

error error_of(errc code) noexcept {
  const auto number = static_cast<std::size_t>(errc_from_number(static_cast<int>(code)));
  return detail::error_access::adopt(&internal::immortals[number].value);
}

error wrap(error inner, message_text message, std::source_location where) {
  if (!inner) return inner;
  const bool traced = top_of(inner)->traced;
  return internal::wrap_with(std::move(inner), std::move(message).take(), where,
                             traced ? stack_trace() : stack_trace::capture(1));
}

error wrap(error inner, errc code, message_text message, std::source_location where) {
  if (!inner) return inner;
  const bool traced = top_of(inner)->traced;
  return internal::wrap_as(std::move(inner), code, {}, std::move(message).take(), where,
                           traced ? stack_trace() : stack_trace::capture(1));
}

error wrap(error inner, const kind& which, message_text message, std::source_location where) {
  if (!inner) return inner;
  const bool traced = top_of(inner)->traced;
  return internal::wrap_as(std::move(inner), which.code(), which.key(), std::move(message).take(), where,
                           traced ? stack_trace() : stack_trace::capture(1));
}

error with_message(error inner, message_text message, std::source_location where) {
  if (!inner) return inner;
  return internal::wrap_with(std::move(inner), std::move(message).take(), where, stack_trace());
}

error with(error e, message_text key, message_text value) {
  return internal::add_field(std::move(e), {std::move(key).take(), std::move(value).take()});
}

error with_sensitive(error e, message_text key, message_text value) {
  return internal::add_field(std::move(e), {std::move(key).take(), std::move(value).take(), true});
}

error detail::with_any(error e, std::any payload) {
  if (!e) return e;
  internal::layer& top = internal::own_top(e);
  if (top.extras == nullptr) top.extras = std::make_unique<internal::layer_extras>();
  top.extras->payload = std::move(payload);
  return e;
}

error join(std::vector<error> causes, std::source_location where) {
  std::erase_if(causes, [](const error& e) { return !e; });
  if (causes.empty()) return {};
  if (causes.size() == 1) return std::move(causes.front());

  error joined;
  auto next = causes.begin();
  if (internal::is_bare_join(*top_of(*next))) {
    joined = std::move(*next++);
  } else {
    layer_draft draft(next->code());
    draft.place({}, where);
    draft->own_code = false;
    joined = std::move(draft).finish_join({});
  }
  internal::layer& join = internal::own_top(joined);
  for (; next != causes.end(); ++next) {
    if (!internal::is_bare_join(*top_of(*next))) {
      layer_draft::add_cause(join, std::move(*next));
      continue;
    }
    const internal::layer& nested = *top_of(*next);
    for (const error& e : nested.causes()) layer_draft::add_cause(join, error(e));
    layer_draft::count_left_out(join, nested.extras->left_out);
    join.codes |= nested.codes;
  }
  return joined;
}

error join(error first, error second, std::source_location where) {
  std::vector<error> causes;
  causes.reserve(2);
  causes.push_back(std::move(first));
  causes.push_back(std::move(second));
  return join(std::move(causes), where);
}

error cause(const error& e) noexcept {
  const internal::layer* root = top_of(e);
  while (root != nullptr && root->inner != nullptr) root = root->inner;
  return detail::error_access::share(root);
}

namespace {

layer_draft draft_of(layer_data data, errc code, bool own_code) {
  layer_draft draft(code);
  auto foreign = std::make_unique<internal::foreign_texts>(std::move(data.file), std::move(data.function), std::move(data.node),
                                                           std::move(data.kind_key), std::move(data.frames), std::move(data.received),
                                                           std::move(data.short_code));
  draft->kind_key = foreign->kind_key;
  draft.extras().foreign = std::move(foreign);
  draft.extras().left_out = std::min(data.left_out, internal::most_left_out);
  draft->message = std::move(data.message);
  draft->fields = std::move(data.fields);
  draft->line = data.line;
  draft->own_code = own_code;
  return draft;
}

}  // namespace

error add_layer(error inner, layer_data data) {
  const errc code = data.code.value_or(inner.code());
  const bool own_code = data.code.has_value() || !inner;
  return draft_of(std::move(data), code, own_code).finish(std::move(inner));
}

error add_layer(std::vector<error> causes, layer_data data) {
  std::erase_if(causes, [](const error& e) { return !e; });
  if (causes.empty()) return add_layer(error(), std::move(data));
  if (causes.size() == 1 && data.left_out == 0) return add_layer(std::move(causes.front()), std::move(data));
  const errc code = data.code.value_or(causes.front().code());
  const bool own_code = data.code.has_value();
  return draft_of(std::move(data), code, own_code).finish_join(std::move(causes));
}

}  // namespace tandem
