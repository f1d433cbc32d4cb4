// Every `throw` calls __cxa_throw. This file stands in front of the C++ library's, notes the stack, and passes the
// exception on. The note must go when the exception does, so the exception is given a destructor that also removes it.
#include "throw_stack.hpp"

#include <cxxabi.h>
#include <dlfcn.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <tandem/errors/exception.hpp>

namespace tandem {
namespace {

using destructor = void (*)(void*);
using throw_function = void (*)(void*, std::type_info*, destructor);

struct throw_note {
  throw_note* next;
  const void* exception;
  destructor destroy;  // the exception's own; null for a type that needs none
  stack_trace stack;
};

// (N1) A note is in the list of its exception's shard from the throw until the exception is destroyed; the list is
// guarded by the lock. Nothing is called while the lock is held, so nothing can throw there.
struct alignas(64) note_shard {
  std::mutex lock;
  throw_note* first = nullptr;
};

// Exceptions are thrown before main() and destroyed after it: constant-initialized, never destroyed.
static_assert(std::is_trivially_destructible_v<note_shard>);
constinit std::array<note_shard, 64> shards;

// relaxed: a switch, which publishes nothing.
constinit std::atomic<bool> enabled{true};

note_shard& shard_of(const void* exception) noexcept {
  // Exceptions are at least 16 bytes apart, those of one size and one thread often a power of two: mixed for that.
  const auto mixed = (reinterpret_cast<std::uintptr_t>(exception) >> 4) * 0x9E37'79B9'7F4A'7C15u;
  return shards[mixed >> 58];
}

void add_note(throw_note& note) noexcept {
  note_shard& shard = shard_of(note.exception);
  const std::lock_guard hold(shard.lock);
  note.next = std::exchange(shard.first, &note);
}

throw_note* take_note(const void* exception) noexcept {
  note_shard& shard = shard_of(exception);
  const std::lock_guard hold(shard.lock);
  for (throw_note** at = &shard.first; *at != nullptr; at = &(*at)->next)
    if ((*at)->exception == exception) return std::exchange(*at, (*at)->next);
  return nullptr;
}

// What a noted exception has for its destructor.
void destroy_noted(void* exception) {
  // Before the exception's own destructor: that may throw and destroy others, and ends the life of the address.
  throw_note* const note = take_note(exception);
  if (note == nullptr) return;
  const destructor destroy = note->destroy;
  std::free(note);
  if (destroy != nullptr) destroy(exception);
}

// The __cxa_throw behind ours: the C++ library's, or one of a sanitizer or profiler that wants to see throws too.
throw_function next_throw() noexcept {
  static constinit std::atomic<throw_function> known{nullptr};
  // relaxed: every thread finds the same function, and that is all there is to see.
  throw_function next = known.load(std::memory_order_relaxed);
  if (next == nullptr) {
    next = reinterpret_cast<throw_function>(::dlsym(RTLD_NEXT, "__cxa_throw"));
    // Only without any C++ library behind this file: one that is linked statically replaces the weak definition here.
    if (next == nullptr) std::abort();
    known.store(next, std::memory_order_relaxed);
  }
  return next;
}

}  // namespace

void set_throw_stacks(bool on) noexcept { enabled.store(on, std::memory_order_relaxed); }

std::optional<stack_trace> internal::throw_stack_of(const std::exception_ptr& exception) noexcept {
  // The exception's address is all that an exception_ptr holds, in libstdc++ as in libc++.
  const void* object = nullptr;
  static_assert(sizeof(exception) == sizeof(object));
  std::memcpy(&object, &exception, sizeof(object));
  note_shard& shard = shard_of(object);
  const std::lock_guard hold(shard.lock);
  for (const throw_note* note = shard.first; note != nullptr; note = note->next)
    if (note->exception == object) return note->stack;
  return std::nullopt;
}

}  // namespace tandem

namespace __cxxabiv1 {

// Weak: a program that has a __cxa_throw of its own keeps it, and a statically linked C++ library its own; there are no
// throw stacks then. Visible from outside: shared libraries, the C++ library included, shall find it.
extern "C" [[gnu::noreturn, gnu::weak, gnu::visibility("default")]] void __cxa_throw(void* exception,
                                                                                    std::type_info* type,
                                                                                    void (*destroy)(void*)) {
  // malloc, as operator new may throw; without memory there is no stack, but the exception still flies.
  void* memory = tandem::enabled.load(std::memory_order_relaxed) ? std::malloc(sizeof(tandem::throw_note)) : nullptr;
  if (memory != nullptr) {
    tandem::add_note(*::new (memory) tandem::throw_note{nullptr, exception, destroy, tandem::stack_trace::capture(1)});
    destroy = &tandem::destroy_noted;
  }
  tandem::next_throw()(exception, type, destroy);
  __builtin_unreachable();
}

}  // namespace __cxxabiv1
