#include <tandem/errors/short_code.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

#include <openssl/evp.h>
#include <tandem/errors/exception.hpp>

namespace tandem {
namespace {

constexpr std::size_t code_length = 4;

// The first four bytes of the digest, big-endian.
std::uint32_t md5_head(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_md5(), nullptr) != 1) {
    throw error_exception(make_error(errc::unimplemented, "libcrypto refuses MD5"));
  }
  std::uint32_t head = 0;
  for (std::size_t i = 0; i < 4; ++i) head = head << 8 | digest[i];
  return head;
}

constexpr char without_lookalike(char digit) noexcept {
  if (digit == 'O') return '0';
  if (digit == 'I') return '1';
  return digit;
}

}  // namespace

std::string short_code(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::uint32_t number = md5_head(text) & 0xFFFFF;
  std::string code(code_length, '0');
  for (auto place = code.rbegin(); place != code.rend(); ++place) {
    *place = without_lookalike(digits[number % digits.size()]);
    number /= digits.size();
  }
  return code;
}

std::string short_code(const error& e) { return short_code(e.message()); }

std::optional<std::string> normalise_code(std::string_view typed) {
  if (typed.size() != code_length) return std::nullopt;
  std::string code(typed);
  for (char& c : code) {
    if (c == 'l') c = '1';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z')) return std::nullopt;
    c = without_lookalike(c);
  }
  return code;
}

std::string public_message(const error& e) {
  return e ? "internal error, code " + short_code(e) : "no error";
}

}  // namespace tandem
