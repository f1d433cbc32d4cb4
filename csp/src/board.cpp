#include <tandem/csp/detail/board.hpp>

#include <tandem/runtime/detail/object_observer.hpp>

namespace tandem::csp::detail {

board::board(const char* kind, std::source_location made_at) noexcept : channel_base(made_at) {
  tandem::detail::note_made(this, kind, made_at);
}

board::~board() { tandem::detail::note_gone(this); }

}  // namespace tandem::csp::detail
