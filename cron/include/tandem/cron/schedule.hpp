// Running by crontab: a tandem::cron whose points an expression gives.
#pragma once
#include <string_view>

#include <tandem/cron/expression.hpp>
#include <tandem/cron/time_zone.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/cron.hpp>

namespace tandem {

/// The moments of `expression` in `zone`, to be received one by one; see tandem::cron for clocks that are set.
[[nodiscard]] cron make_cron(const cron_expression& expression, const time_zone& zone);

/// `make_cron("*/5 9-17 * * MON-FRI", "Europe/Berlin")`.
/// Errors: those of cron_expression::parse() and time_zone::find(), which also says how long it may take.
[[nodiscard]] result<cron> make_cron(std::string_view expression, std::string_view zone);

}  // namespace tandem
