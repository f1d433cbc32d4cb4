#include <tandem/errors/exception.hpp>

#include <cxxabi.h>

#include <any>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <typeinfo>
#include <utility>
#include <vector>

#include <boost/core/demangle.hpp>

#include <tandem/errors/error_code.hpp>

#include "layer.hpp"
#include "throw_stack.hpp"

namespace tandem {

error_exception::error_exception(error e) : error_(std::move(e)) {
  layer_data text;
  text.message = error_ ? error_.message() : "no error";
  text_ = add_layer(error(), std::move(text));
}

error_exception::~error_exception() = default;

// The message is a std::string of its own inside the layer, thus terminated by a null.
const char* error_exception::what() const noexcept { return text_.first_layer().message().data(); }

namespace {

// The type as the program wrote it, without what std::throw_with_nested() made of it.
std::string name_of(const std::type_info& type) {
  constexpr std::string_view prefix = "std::_Nested_exception<";
  std::string name = boost::core::demangle(type.name());
  if (!name.starts_with(prefix) || !name.ends_with('>')) return name;
  return name.substr(prefix.size(), name.size() - prefix.size() - 1);
}

// What one exception says, and the one nested in it.
struct account {
  std::exception_ptr exception;
  errc code = errc::internal;
  bool own_code = false;  // the type tells the code
  std::string text;
  error carried;  // by an error_exception
  std::exception_ptr nested;

  // The code and what needs no memory comes first: it shall be there if memory for the text is not.
  template <class Exception>
  void note(errc its_code, bool own, const Exception& e) {
    code = its_code;
    own_code = own;
    if (const auto* outer = dynamic_cast<const std::nested_exception*>(&e)) nested = outer->nested_ptr();
    text = name_of(typeid(e));
    if constexpr (std::is_base_of_v<std::exception, Exception>) text.append(": ").append(message_text(e.what()).take());
  }

  void read() {
    try {
      std::rethrow_exception(exception);
    } catch (const error_exception& e) {
      carried = e.get();
      note(carried ? carried.code() : errc::internal, true, e);
    } catch (const std::bad_expected_access<error>& e) {  // value() of a result that has none
      carried = e.error();
      note(carried ? carried.code() : errc::internal, true, e);
    } catch (const std::bad_alloc& e) {
      note(errc::resource_exhausted, true, e);
    } catch (const std::system_error& e) {
      note(errc_of(e.code()), true, e);
    } catch (const std::invalid_argument& e) {
      note(errc::invalid_argument, true, e);
    } catch (const std::domain_error& e) {
      note(errc::invalid_argument, true, e);
    } catch (const std::length_error& e) {
      note(errc::invalid_argument, true, e);
    } catch (const std::out_of_range& e) {
      note(errc::out_of_range, true, e);
    } catch (const std::exception& e) {
      note(errc::internal, false, e);
    } catch (const std::nested_exception& e) {
      note(errc::internal, false, e);
    } catch (...) {
      const std::type_info* type = abi::__cxa_current_exception_type();
      text = type != nullptr ? name_of(*type) : "exception of foreign origin";
    }
  }
};

std::vector<account> read_all(const account& outermost) {
  std::vector<account> accounts;
  accounts.push_back(outermost);
  while (accounts.back().nested != nullptr && accounts.size() < max_nested_exceptions) {
    account next;
    next.exception = accounts.back().nested;
    next.read();
    accounts.push_back(std::move(next));
  }
  return accounts;
}

// The stack nearest to where it began.
std::optional<stack_trace> innermost_stack(const std::vector<account>& accounts) noexcept {
  for (auto at = accounts.rbegin(); at != accounts.rend(); ++at)
    if (std::optional<stack_trace> stack = internal::throw_stack_of(at->exception)) return stack;
  return std::nullopt;
}

error start(account& root, const std::source_location& where, const stack_trace& stack) {
  if (root.carried) return root.carried;
  error e = internal::make_error(root.code, std::move(root.text), where, stack);
  return detail::with_any(std::move(e), root.exception);
}

error put_around(error inner, account& outer, const std::source_location& where) {
  if (outer.carried) return join(outer.carried, std::move(inner), where);
  error e = outer.own_code ? wrap(std::move(inner), outer.code, std::move(outer.text), where)
                           : with_message(std::move(inner), std::move(outer.text), where);
  return detail::with_any(std::move(e), outer.exception);
}

// The exception that the outermost layer, as it is, was made of; null if there is none.
std::exception_ptr original_of(const error& e) noexcept {
  const internal::layer* top = internal::top_of(e);
  if (top == nullptr || top->extras == nullptr || !top->fields.empty()) return nullptr;
  const auto* original = std::any_cast<std::exception_ptr>(&top->extras->payload);
  return original != nullptr ? *original : nullptr;
}

}  // namespace

error from_exception(std::exception_ptr exception, std::source_location where) noexcept {
  if (exception == nullptr) return {};
  account outermost;
  outermost.exception = std::move(exception);
  try {
    outermost.read();
    if (outermost.carried && outermost.nested == nullptr) return outermost.carried;
    std::vector<account> accounts = read_all(outermost);
    std::optional<stack_trace> stack = innermost_stack(accounts);
    if (!stack) stack = stack_trace::capture(1);
    error e = start(accounts.back(), where, *stack);
    if (accounts.back().nested != nullptr) e = with(std::move(e), "nested", "more of them");
    for (auto at = accounts.rbegin() + 1; at != accounts.rend(); ++at) e = put_around(std::move(e), *at, where);
    return e;
  } catch (...) {
    return outermost.carried ? outermost.carried : error_of(outermost.code);
  }
}

std::exception_ptr to_exception(const error& e) {
  if (!e) return nullptr;
  if (std::exception_ptr original = original_of(e)) return original;
  return std::make_exception_ptr(error_exception(e));
}

void throw_error(const error& e) {
  if (std::exception_ptr original = original_of(e)) std::rethrow_exception(std::move(original));
  throw error_exception(e);
}

}  // namespace tandem
