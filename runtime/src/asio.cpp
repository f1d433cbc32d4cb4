#include <tandem/runtime/asio.hpp>

#include <stdexcept>

#include <tandem/errors/error_code.hpp>
#include <tandem/runtime/blocking.hpp>

#include "scheduler.hpp"

namespace tandem {
namespace detail {

void io_wait::check(const task_record& task, const asio::execution_context* of) const {
  if (task_) [[unlikely]]
    throw std::logic_error("tandem: an operation with use_task was awaited a second time; call the function that makes it "
                           "once for each co_await");
  reactor& io = task.owner->io();
  if (io.in_use() && (!of || of == &io.context())) [[likely]]
    return;
  throw std::logic_error(
      "tandem: an operation was awaited on an object of another io_context; make it for the io() of the runtime whose "
      "task awaits, which is this_task::io()");
}

}  // namespace detail

asio::io_context& this_task::io() { return detail::scheduler_of_caller("this_task::io()").use_io(); }

task<result<asio::ip::tcp::resolver::results_type>> resolve(std::string host, std::string service) {
  using results = asio::ip::tcp::resolver::results_type;
  asio::io_context& io = this_task::io();
  auto lookup = [&io, host = std::move(host), service = std::move(service)]() -> result<results> {
    std::error_code failed;
    results found = asio::ip::tcp::resolver(io).resolve(host, service, failed);
    if (failed) return fail(error_from(failed, "cannot look up " + host));
    return found;
  };
  auto call = run_blocking(std::move(lookup));
  co_return co_await call.join();
}

}  // namespace tandem
