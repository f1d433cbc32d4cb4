// Writes encoded errors for fuzz_error_wire to begin with: `fuzz_error_wire_seeds FOLDER`.
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <tandem/errors/layer.hpp>
#include <tandem/errors/wire.hpp>

namespace {

using namespace tandem;

error layer_of_everything() {
  layer_data layer;
  layer.message = "message";
  layer.code = errc::not_found;
  layer.kind_key = "a.kind";
  layer.file = "a.cpp";
  layer.function = "f()";
  layer.line = 7;
  layer.node = "n";
  layer.fields = {{"key", "value"}, {"token", "secret", true}};
  layer.frames = {"f() at a.cpp:7", "a.out+0x10"};
  return add_layer(error(), std::move(layer));
}

std::vector<error> seeds() {
  const error root = layer_of_everything();
  error deep = root;
  for (int i = 0; i < 300; ++i) deep = with_message(std::move(deep), "layer");
  std::vector<error> many;
  for (int i = 0; i < 200; ++i) many.push_back(with_message(error_of(errc::closed), "cause"));
  return {root,
          error_of(errc::closed),
          with(with_message(with_message(error_of(errc::aborted), "inner"), "outer"), "k", "v"),
          with_message(join({root, with_message(error_of(errc::closed), "x"), join(root, root)}), "tree"),
          std::move(deep),
          with_message(join(std::move(many)), "many")};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fuzz_error_wire_seeds FOLDER\n", stderr);
    return 2;
  }
  int number = 0;
  for (const error& e : seeds()) {
    for (const std::size_t limit : {std::size_t{1} << 10, std::size_t{4} << 10}) {
      const std::string path = std::string(argv[1]) + "/seed" + std::to_string(number++);
      std::ofstream out(path, std::ios::binary);
      out << encode_error(e, {.max_bytes = limit, .node = "node", .audience = wire_audience::node});
      if (!out.flush()) {
        std::fprintf(stderr, "fuzz_error_wire_seeds: cannot write %s\n", path.c_str());
        return 1;
      }
    }
  }
}
