// Time zones of the tz database, as far as a schedule needs them.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <tandem/errors/result.hpp>

namespace tandem {

/// A time zone. Threads: a value like any other; copies are cheap and share what was loaded.
class time_zone {
 public:
  [[nodiscard]] static time_zone utc();

  /// The zone of that name in the system's tz database, "Europe/Berlin".
  /// Reads a file the first time: call it when the program starts, or through run_blocking().
  /// Errors: errc::not_found.
  [[nodiscard]] static result<time_zone> find(std::string_view name);

  /// What the environment variable TZ or else /etc/localtime says; UTC if neither can be read. Reads files as find()
  /// does.
  [[nodiscard]] static time_zone local();

  [[nodiscard]] std::string name() const;

  /// A stretch of time in which local time is UTC + offset.
  struct period {
    std::chrono::sys_seconds begin;        ///< Inclusive. The clock was changed here, from `offset_before`.
    std::chrono::sys_seconds end;          ///< Exclusive.
    std::chrono::seconds offset;
    std::chrono::seconds offset_before;    ///< Equal to `offset` if there was nothing before.
  };
  [[nodiscard]] period period_at(std::chrono::sys_seconds when) const;

 private:
  struct loaded;
  explicit time_zone(std::shared_ptr<const loaded> zone) noexcept : zone_(std::move(zone)) {}

  std::shared_ptr<const loaded> zone_;  // never null
};

}  // namespace tandem
