#include <tandem/actors/detail/one_of_router.hpp>

#include <exception>

#include <tandem/errors/exception.hpp>

namespace tandem::actors::detail {
namespace {

std::string name_of(one_of_router::choice how) {
  switch (how) {
    case one_of_router::choice::in_turn: return "router (round robin)";
    case one_of_router::choice::at_random: return "router (random choice)";
    case one_of_router::choice::least_loaded: return "router (least loaded)";
    case one_of_router::choice::of_two: return "router (two choices)";
    case one_of_router::choice::by_key: return "router (by key)";
  }
  return "router";
}

std::size_t owner_of(const routee_list& list, std::uint64_t key) noexcept {
  std::size_t best = 0;
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::uint64_t wanted = affinity(key, list[i].place);
    if (i != 0 && wanted <= most) continue;  // places differ, so do affinities: mix() is a bijection
    best = i;
    most = wanted;
  }
  return best;
}

}  // namespace

error no_key(std::exception_ptr thrown, const std::string& message) {
  return with_message(from_exception(std::move(thrown)), "a router found no key in " + message);
}

one_of_router::one_of_router(const protocol_info& takes, choice how, std::uint64_t seed)
    : choosing_router(takes, name_of(how)), how_(how), seed_(mix(seed)) {}

std::size_t one_of_router::choose(const routee_list& list, std::uint64_t key) noexcept {
  const std::size_t n = list.size();
  if (n == 1) return 0;
  if (how_ == choice::by_key) return owner_of(list, key);
  const std::uint64_t turn = turns_.load(std::memory_order_relaxed);
  turns_.store(turn + 1, std::memory_order_relaxed);
  // In 32 bits, because this is on every message's way, and a division of 64 takes three times as long.
  const std::size_t next = static_cast<std::uint32_t>(turn) % static_cast<std::uint32_t>(n);
  switch (how_) {
    case choice::at_random: return scale(mix(seed_ + turn), n);
    case choice::of_two: {
      const std::uint64_t drawn = mix(seed_ + turn);
      const std::size_t first = scale(drawn, n);
      std::size_t second = first + 1 + scale(mix(drawn), n - 1);
      if (second >= n) second -= n;
      return list[second].to->depth() < list[first].to->depth() ? second : first;
    }
    case choice::least_loaded: {
      // From the next in turn on, so that equals share.
      std::size_t best = next;
      std::size_t least = list[best].to->depth();
      for (std::size_t i = 1; i < n && least != 0; ++i) {
        const std::size_t at = next + i < n ? next + i : next + i - n;
        const std::size_t depth = list[at].to->depth();
        if (depth < least) {
          least = depth;
          best = at;
        }
      }
      return best;
    }
    default: return next;
  }
}

target::delivery one_of_router::try_deliver(envelope_ptr& message, error& why) noexcept {
  if (how_ == choice::by_key) return deliver_by_key(message, why);
  const auto now = routees();
  const std::size_t n = now->size();
  if (n == 0) {
    why = no_routees();
    return delivery::failed;
  }
  bool full = false;
  error refusal;
  std::size_t at = choose(*now, 0);
  for (std::size_t tried = 0; tried < n; ++tried) {
    const target_ptr& to = (*now)[at].to;
    switch (to->try_deliver(message, why)) {
      case delivery::delivered: return delivery::delivered;
      case delivery::full: full = true; break;
      case delivery::failed:
        if (why.code() == errc::unavailable) {
          take_out(*to);
        } else if (why.code() == errc::overloaded) {
          refusal = std::move(why);  // full as well, and lets nobody wait
        } else {
          return delivery::failed;  // the message's own fault
        }
        break;
    }
    if (++at == n) at = 0;
  }
  if (full) return delivery::full;
  why = refusal ? std::move(refusal) : no_routees(why);
  return delivery::failed;
}

target::delivery one_of_router::deliver_by_key(envelope_ptr& message, error& why) noexcept {
  std::uint64_t key = 0;
  try {
    key = key_of(*message);
  } catch (...) {
    why = no_key(std::current_exception(), message->type_name());
    return delivery::failed;
  }
  for (error last;;) {
    const auto now = routees();
    if (now->empty()) {
      why = no_routees(last);
      return delivery::failed;
    }
    const target_ptr& to = (*now)[choose(*now, key)].to;
    const delivery outcome = to->try_deliver(message, why);
    if (outcome != delivery::failed || why.code() != errc::unavailable) return outcome;
    last = std::move(why);
    take_out(*to);
  }
}

std::size_t one_of_router::waits_at(const routee_list& list, const envelope& message) noexcept {
  if (how_ != choice::by_key) return choosing_router::waits_at(list, message);
  try {
    return owner_of(list, key_of(message));
  } catch (...) {
    return 0;  // it gave a key just before
  }
}

}  // namespace tandem::actors::detail
