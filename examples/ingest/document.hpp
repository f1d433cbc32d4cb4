// A document on its way to the disk.
#pragma once
#include <memory>
#include <string>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/sync/event.hpp>

namespace ingest {

/// Shared by who waits for the outcome and who brings it about: each may leave before the other.
class document {
 public:
  /// `text` is valid JSON without a line break.
  explicit document(std::string text) : line_(std::move(text)) { line_ += '\n'; }

  [[nodiscard]] const std::string& line() const noexcept { return line_; }

  /// Called once, by whoever knows what became of it.
  void settle(tandem::result<void> outcome) noexcept {
    outcome_ = std::move(outcome);
    settled_.set();
  }
  /// Waits for settle(), and gives its outcome. Errors: also those of the caller's context.
  [[nodiscard]] tandem::task<tandem::result<void>> settled() {
    if (auto waited = co_await settled_.wait(); !waited) co_return waited;
    co_return outcome_;
  }

 private:
  std::string line_;
  tandem::result<void> outcome_;  // constant once settled_ is set
  tandem::sync::event settled_;
};

using document_ptr = std::shared_ptr<document>;

}  // namespace ingest
