#include <tandem/runtime/detail/object_observer.hpp>

namespace tandem::detail {

constinit std::atomic<object_observer*> installed_object_observer{nullptr};

}  // namespace tandem::detail
