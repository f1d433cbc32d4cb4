#include <tandem/actors/dead_letter.hpp>

#include <string>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>

namespace tandem::actors {

std::string to_string(const dead_letter& letter) {
  std::string text = fmt::format("{} for {}", letter.message_type, letter.target_name);
  if (letter.target_name.empty()) text += "an actor";
  text += letter.target_class.empty() ? fmt::format(" (id {})", letter.target_id)
                                      : fmt::format(" ({}, id {})", letter.target_class, letter.target_id);
  if (letter.waited.count() > 0) text += fmt::format(" after {} ms", letter.waited.count());
  return text + fmt::format(": {}", letter.reason);
}

}  // namespace tandem::actors
