// Lets a leak check follow objects that are no tasks: channels, and whatever else a test must not leave behind.
#pragma once
#include <atomic>
#include <source_location>

namespace tandem::detail {

/// Told about the objects made and destroyed while it is installed.
/// Threads: called on any thread; lives until the process ends.
class object_observer {
 public:
  /// `kind` is a literal: "channel".
  virtual void made(const void* object, const char* kind, std::source_location where) noexcept = 0;
  /// Also for objects made before it was installed.
  virtual void gone(const void* object) noexcept = 0;

 protected:
  ~object_observer() = default;
};

/// Null unless somebody checks for leaks: an object's price for being followed is one load at either end.
/// Release/acquire: the observer is made before it is installed.
extern constinit std::atomic<object_observer*> installed_object_observer;

inline void note_made(const void* object, const char* kind, std::source_location where) noexcept {
  if (object_observer* const o = installed_object_observer.load(std::memory_order_acquire)) [[unlikely]]
    o->made(object, kind, where);
}

inline void note_gone(const void* object) noexcept {
  if (object_observer* const o = installed_object_observer.load(std::memory_order_acquire)) [[unlikely]]
    o->gone(object);
}

}  // namespace tandem::detail
