// What a pipeline does with the values under way when one of its stages fails.
//
//   result<void> done = co_await std::move(stages).run(on_error::drain);
#pragma once
#include <cstdint>

namespace tandem::csp {

/// What becomes of the values that have left a stage when that stage fails. In either case nothing new comes in.
enum class on_error : std::uint8_t {
  stop,   ///< They are destroyed: all stages end at once.
  drain,  ///< They go on to the sink: the stages after the failed one, and beside it, end when they have seen them.
};

}  // namespace tandem::csp
