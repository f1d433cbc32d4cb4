#include <tandem/errors/public_message.hpp>

#include <mutex>
#include <string_view>
#include <utility>

#include <tandem/errors/code_journal.hpp>

#include "kind_list.hpp"

namespace tandem {
namespace {

// Never destroyed, as errors may be told of while the program exits.
struct public_default {
  std::mutex lock;
  std::string text;  // guarded by `lock`; empty: "internal error"
};

public_default& process_default() {
  static public_default& only = *new public_default;
  return only;
}

// Of the declared kind with this key, empty if there is none; copied while the kind cannot go.
std::string text_of_kind(std::string_view key) {
  std::string text;
  if (key.empty()) return text;
  kind_list::for_each([&](const kind& k) {
    if (k.key() == key && !k.public_text().empty()) text = k.public_text();
  });
  return text;
}

std::string text_for_all() {
  public_default& all = process_default();
  const std::lock_guard hold(all.lock);
  return all.text.empty() ? "internal error" : all.text;
}

}  // namespace

std::string public_message(const error& e) {
  if (!e) return "no error";
  std::string text = text_of_kind(e.kind_key());
  if (text.empty()) text = text_for_all();
  if (text.ends_with('.')) text.pop_back();
  return text + ", code " + process_journal().record(e);
}

void set_public_text(std::string text) {
  public_default& all = process_default();
  const std::lock_guard hold(all.lock);
  all.text.swap(text);
}

}  // namespace tandem
