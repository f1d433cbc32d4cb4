#include <tandem/cron/schedule.hpp>

namespace tandem {

cron make_cron(const cron_expression& expression, const time_zone& zone) {
  return cron([expression, zone](wall_time from) { return expression.next(from, zone); });
}

result<cron> make_cron(std::string_view expression, std::string_view zone) {
  TANDEM_TRY_ASSIGN(const cron_expression parsed, cron_expression::parse(expression));
  TANDEM_TRY_ASSIGN(const time_zone found, time_zone::find(zone));
  return make_cron(parsed, found);
}

}  // namespace tandem
