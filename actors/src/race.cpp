#include <tandem/actors/detail/race.hpp>

#include <fmt/format.h>

#include <tandem/actors/detail/scatter_router.hpp>

namespace tandem::actors::detail {

error all_failed(std::vector<error> whys) {
  if (whys.empty()) return make_error(errc::unavailable, "there is nobody to ask");
  const std::size_t n = whys.size();
  return with_message(join(std::move(whys)), fmt::format("none of {} that were asked had an answer", n));
}

error had_no_room(const target& which) {
  return make_error(errc::overloaded,
                    fmt::format("the mailbox of actor {} ({}) is full", which.id(), which.target_name()));
}

}  // namespace tandem::actors::detail
