#include <cxxabi.h>

#include <new>
#include <string>
#include <typeinfo>
#include <utility>

#include <boost/core/demangle.hpp>

#include <tandem/errors/error.hpp>
#include <tandem/errors/layer.hpp>

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

// make_error, but without memory for the message the code must do.
error describe(errc code, const std::type_info* type, const char* what, const std::source_location& where) noexcept {
  try {
    std::string message = type != nullptr ? boost::core::demangle(type->name()) : "exception of foreign origin";
    if (what != nullptr) message.append(": ").append(what);
    return make_error(code, std::move(message), where);
  } catch (...) {
    return error_of(code);
  }
}

}  // namespace

error from_exception(std::exception_ptr exception, std::source_location where) noexcept {
  if (exception == nullptr) return {};
  try {
    std::rethrow_exception(std::move(exception));
  } catch (const error_exception& e) {
    return e.get() ? e.get() : describe(errc::internal, &typeid(e), e.what(), where);
  } catch (const std::bad_alloc& e) {
    return describe(errc::resource_exhausted, &typeid(e), e.what(), where);
  } catch (const std::exception& e) {
    return describe(errc::internal, &typeid(e), e.what(), where);
  } catch (...) {
    return describe(errc::internal, abi::__cxa_current_exception_type(), nullptr, where);
  }
}

}  // namespace tandem
