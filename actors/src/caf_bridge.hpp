// Messages and errors on their way between CAF and tandem.
#pragma once
#include <memory>
#include <string>
#include <typeinfo>

#include <caf/all.hpp>

#include <tandem/actors/detail/envelope.hpp>
#include <tandem/errors/error.hpp>

namespace tandem::actors::detail {

class hosted_caf;

/// Exit reasons become errc::cancelled, CAF's time-outs and dead receivers their counterparts, the rest errc::unknown;
/// the text is CAF's. No error gives no error.
[[nodiscard]] error from_caf(const caf::error& e);
/// CAF's errors are a number and a message: the closest number, and the error's text. No error gives no error.
[[nodiscard]] caf::error to_caf(const error& e);

/// A CAF message in a mailbox of ours.
class caf_envelope final : public envelope {
 public:
  caf_envelope(caf::mailbox_element_ptr element, caf::strong_actor_ptr receiver, const hosted_caf& types) noexcept;
  ~caf_envelope() override;

  [[nodiscard]] std::string type_name() const override;
  bool fail(error why) noexcept override;
  [[nodiscard]] bool holds(const std::type_info& type) const noexcept override;
  [[nodiscard]] foreign_value extract(const std::type_info& type) noexcept override;
  [[nodiscard]] std::unique_ptr<reply_sink> take_sink() noexcept override;

 private:
  caf::mailbox_element_ptr element_;
  caf::strong_actor_ptr receiver_;
  const hosted_caf& types_;
};

}  // namespace tandem::actors::detail
