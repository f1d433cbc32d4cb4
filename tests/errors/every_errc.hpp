// The whole set of codes, for tests that go through it.
#pragma once
#include <tandem/errors/errc.hpp>

namespace tandem::testing {

inline constexpr errc every_errc[] = {
    errc::cancelled,           errc::unknown,        errc::invalid_argument,  errc::deadline_exceeded,
    errc::not_found,           errc::already_exists, errc::permission_denied, errc::resource_exhausted,
    errc::failed_precondition, errc::aborted,        errc::out_of_range,      errc::unimplemented,
    errc::internal,            errc::unavailable,    errc::data_loss,         errc::unauthenticated,
    errc::closed,              errc::would_block,    errc::timed_out,         errc::overloaded,
    errc::circuit_open,
};

}  // namespace tandem::testing
