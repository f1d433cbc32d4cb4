// What the records of the actor layer mean: record_header::kind.
#pragma once
#include <cstdint>

namespace tandem::cluster::internal {

/// | kind   | target          | sender           | type_hash      | payload                       |
/// |--------|-----------------|------------------|----------------|-------------------------------|
/// | tell   | actor's id      | 0                | of the message | the message                   |
/// | ask    | actor's id or 0 | correlation id   | of the message | the message                   |
/// | answer | 0               | that of the ask  | 0              | the reply; empty for void     |
/// | refuse | 0               | that of the ask  | 0              | errors::v1::Error             |
///
/// Target 0 is the node itself: it understands v1::LookupRequest. Tells and asks are paid for with credit; there is at
/// most one answer or refusal per ask.
enum class record_kind : std::uint8_t { tell = 1, ask = 2, answer = 3, refuse = 4 };

}  // namespace tandem::cluster::internal
