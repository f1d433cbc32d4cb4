#include <tandem/errors/short_code.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <tandem/errors/exception.hpp>

#include <tandem/errors/detail/utf8.hpp>
#include <tandem/errors/layer.hpp>

#include "printable.hpp"

namespace tandem {
namespace {

constexpr std::size_t code_length = 4;
constexpr std::uint32_t number_mask = 0xFFFFF;
constexpr std::string_view highest_code = "MH33";  // number_mask in base 36

// release/acquire: what the hash reads was set up before it was installed.
constinit std::atomic<code_hash> installed_hash{nullptr};

// The first four bytes of the digest, big-endian.
std::uint32_t md5_head(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_md5(), nullptr) != 1) {
    throw error_exception(
        make_error(errc::unimplemented, "libcrypto refuses MD5; install another hash with set_code_hash()"));
  }
  std::uint32_t head = 0;
  for (std::size_t i = 0; i < 4; ++i) head = head << 8 | digest[i];
  return head;
}

std::uint32_t hash_of(std::string_view text) {
  if (const code_hash hash = installed_hash.load(std::memory_order_acquire)) {
    try {
      return hash(text);
    } catch (...) {
      // MD5 it is, as promised.
    }
  }
  return md5_head(text);
}

constexpr char without_lookalike(char digit) noexcept {
  if (digit == 'O') return '0';
  if (digit == 'I') return '1';
  return digit;
}

constexpr bool is_letter_or_digit(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// What was typed, fit for a line of a terminal: whatever it was, the answer is short and printable.
std::string quoted(std::string_view typed) {
  constexpr std::size_t most = 24;
  return fmt::format("'{}{}'", internal::printable(typed.substr(0, most)), typed.size() > most ? "..." : "");
}

std::unexpected<error> refuse(std::string_view typed, std::string_view why) {
  return fail(errc::invalid_argument, fmt::format("{} cannot be a code: {}", quoted(typed), why));
}

}  // namespace

std::string short_code(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::uint32_t number = hash_of(text) & number_mask;
  std::string code(code_length, '0');
  for (auto place = code.rbegin(); place != code.rend(); ++place) {
    *place = without_lookalike(digits[number % digits.size()]);
    number /= digits.size();
  }
  return code;
}

std::string short_code(const error& e) {
  if (const layer_view top = e.first_layer(); top && !top.short_code().empty()) return std::string(top.short_code());
  const std::string_view key = e.kind_key();
  return key.empty() ? short_code(e.message()) : short_code(key);
}

result<std::string> normalise_code(std::string_view typed) {
  constexpr std::string_view blanks = " \t\r\n";
  typed.remove_prefix(std::min(typed.find_first_not_of(blanks), typed.size()));
  typed.remove_suffix(typed.size() - std::min(typed.find_last_not_of(blanks) + 1, typed.size()));
  if (typed.empty()) return fail(errc::invalid_argument, "a code has four characters, and here is none");
  if (const auto odd = std::ranges::find_if_not(typed, is_letter_or_digit); odd != typed.end()) {
    const auto place = static_cast<std::size_t>(odd - typed.begin());
    const std::size_t length = std::max<std::size_t>(detail::utf8_length(typed, place), 1);
    return refuse(typed, fmt::format("{} is neither a letter A to Z nor a digit; type the four characters alone",
                                     quoted(typed.substr(place, length))));
  }
  if (typed.size() != code_length) {
    return refuse(typed, fmt::format("it has {} characters and a code has four", typed.size()));
  }
  std::string code(typed);
  for (char& c : code) {
    if (c == 'l') c = '1';
    if (c >= 'a') c = static_cast<char>(c - 'a' + 'A');
    c = without_lookalike(c);
  }
  // Comparing decides it, as both texts are numbers of four digits whose order is that of the numbers. If `code` is not
  // above the highest, it is the code of the number it reads as, since it has no O and no I that would have changed.
  // If it is above, so is every number that is written like it: an O or an I in place of a 0 or a 1 is a higher digit.
  if (code > highest_code) {
    return refuse(typed, fmt::format("codes end at {}, and this would come later; ask for the first characters again",
                                     highest_code));
  }
  return code;
}

void set_code_hash(code_hash hash) noexcept { installed_hash.store(hash, std::memory_order_release); }

}  // namespace tandem
