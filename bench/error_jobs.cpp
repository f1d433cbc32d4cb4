// E jobs: making errors, wrapping them deep down the stack, and sending them.
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tandem/errors/error.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/stack.hpp>
#include <tandem/errors/wire.hpp>

#include "job.hpp"

namespace bench {
namespace {

using namespace tandem;

// Prints the time of a call of `body`, made `n` times.
template <class Body>
void measure(const char* name, unsigned threads, std::int64_t n, Body body) {
  const auto start = clock::now();
  for (std::int64_t i = 0; i < n; ++i) body();
  report(name, threads, nanoseconds_since(start) / static_cast<double>(n), "ns");
}

// One layer with a message of 24 bytes and the stack of the job.
void create(unsigned threads) {
  measure("E1-create", threads, count(1'000'000), [] {
    const error e = make_error(errc::not_found, "no such row in the table");
    check(e.code() == errc::not_found, "the code of an error");
  });
}

// Calls `body` with at least `frames` more calls on the stack, none of them inlined or turned into a jump.
template <class Body>
[[gnu::noinline]] std::size_t below(std::size_t frames, Body& body) {
  if (frames == 0) {
    body();
    return 0;
  }
  const std::size_t deeper = below(frames - 1, body);
  asm volatile("" ::: "memory");
  return deeper + 1;
}

// An error made and wrapped with as many frames above it as a stack holds, and the stack alone.
void wrap_stack(unsigned threads) {
  const std::int64_t n = count(500'000);
  auto alone = [&] {
    check(stack_trace::capture().calls().size() == stack_trace::max_calls, "a full stack");
    measure("E2-capture", threads, n, [] {
      const stack_trace stack = stack_trace::capture();
      check(!stack.empty(), "a stack");
    });
  };
  check(below(stack_trace::max_calls, alone) == stack_trace::max_calls, "depth");
  auto whole = [&] {
    measure("E2-wrap-stack", threads, n, [] {
      const error e = wrap(make_error(errc::not_found, "no such row in the table"), "cannot load the profile");
      check(e.first_layer().next().has_stack(), "the stack of an error");
    });
  };
  check(below(stack_trace::max_calls, whole) == stack_trace::max_calls, "depth");
}

// Five layers, two fields, 20 frames with names, as a node has them that passes on what came to it.
error five_layers() {
  layer_data root;
  root.message = "no such row in the table";
  root.code = errc::not_found;
  root.file = "src/storage/table.cpp";
  root.function = "tandem::result<row> shop::table::find(row_id) const";
  root.line = 212;
  root.node = "storage-1";
  root.fields = {{"table", "users"}, {"row", "4711"}};
  for (int i = 0; i < 20; ++i)
    root.frames.push_back("shop::storage::server::handle_request(request const&) at src/storage/server.cpp:" +
                          std::to_string(100 + i));
  error e = add_layer(error(), std::move(root));
  for (const char* message : {"cannot find the user", "cannot load the profile", "cannot greet"})
    e = with_message(std::move(e), message);
  e = wrap(std::move(e), errc::unavailable, "the front page is not available");
  // As text throughout: the names of a stack of this process would be looked up at each encoding.
  std::vector<layer_data> layers;
  for (layer_view layer = e.first_layer(); layer; layer = layer.next()) layers.push_back(to_data(layer));
  e = error();
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) e = add_layer(std::move(e), std::move(*layer));
  return e;
}

// Encodes and decodes an error whose frames have their names already: looking those up is another matter. For the first
// line each layer is encoded anew, for the second all go on as they came.
void codec(unsigned threads) {
  const std::int64_t n = count(100'000);
  constexpr wire_options to_node{.node = "front-1", .audience = wire_audience::node};
  const auto across = [&](const error& e) {
    const std::string bytes = encode_error(e, to_node);
    auto got = decode_error(std::as_bytes(std::span(bytes)));
    check(got.has_value() && got->code() == errc::unavailable, "an error that arrives");
    return *std::move(got);
  };
  const error made = five_layers();
  const error received = across(made);
  measure("E3-codec", threads, n, [&] { (void)across(made); });
  measure("E3-codec-hop", threads, n, [&] { (void)across(received); });
}

}  // namespace

void add_error_jobs(std::vector<job>& jobs) {
  jobs.push_back({"E1-create", create, {1}});
  jobs.push_back({"E2-wrap-stack", wrap_stack, {1}});
  jobs.push_back({"E3-codec", codec, {1}});
}

}  // namespace bench
