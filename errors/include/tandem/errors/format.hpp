// Printing errors with fmt.
//
//   {}    the chain on one line, root last, then the code and, where it can be computed, the short code:
//           cannot start: cannot read a.txt: no such file [not_found 4K2Z]
//   {:+}  that line, then each layer with its code if it has one of its own, its site, fields and stack:
//           cannot start: cannot read a.txt: no such file [not_found 4K2Z]
//             cannot read a.txt
//               at load(std::string) (src/load.cpp:12)
//               path=a.txt
//             no such file [not_found]
//               at open(std::string) (src/open.cpp:30)
//               stack:
//                 0 open(std::string) at src/open.cpp:30
//                 1 load(std::string) at src/load.cpp:12
//                 2 awaited by serve(connection) at src/serve.cpp:81
//
// The exact text is for people and may change; programs use layer.hpp.
#pragma once
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <tandem/errors/errc.hpp>
#include <tandem/errors/error.hpp>
#include <tandem/errors/retry_advice.hpp>

namespace tandem {

/// What "{}" writes; "no error" for no error.
[[nodiscard]] std::string to_string(const error& e);

/// What "{:+}" writes, several lines without a newline at the end. Looks up the names of stack frames.
[[nodiscard]] std::string to_long_string(const error& e);

}  // namespace tandem

template <>
struct fmt::formatter<tandem::error> {
  constexpr auto parse(fmt::format_parse_context& context) {
    auto at = context.begin();
    if (at != context.end() && *at == '+') {
      long_form_ = true;
      ++at;
    }
    if (at != context.end() && *at != '}') throw fmt::format_error("an error takes {} or {:+}");
    return at;
  }

  template <class Context>
  auto format(const tandem::error& e, Context& context) const {
    return fmt::format_to(context.out(), "{}", long_form_ ? tandem::to_long_string(e) : tandem::to_string(e));
  }

 private:
  bool long_form_ = false;
};

/// Formats as the code's name, with the specification of a string.
template <>
struct fmt::formatter<tandem::errc> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(tandem::errc code, Context& context) const {
    return fmt::formatter<std::string_view>::format(tandem::to_string(code), context);
  }
};

/// Formats as the advice's name, with the specification of a string.
template <>
struct fmt::formatter<tandem::retry> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(tandem::retry advice, Context& context) const {
    return fmt::formatter<std::string_view>::format(tandem::to_string(advice), context);
  }
};
