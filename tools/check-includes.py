#!/usr/bin/env python3
"""Checks which modules and libraries a module's files include. See --help."""
import argparse
import os
import re
import sys

HELP = """Checks, in the tree below ROOT, that #include lines keep to the design:

  - a module includes only the modules below it (errors < runtime < sync < csp, resilience < actors < cluster < app);
  - a public header (MODULE/include) includes no library but those its module is meant to show: CAF is shown by
    actors, Protobuf by cluster; Asio, gRPC and CAF also by the headers made for it (tandem/runtime/asio.hpp,
    tandem/actors/caf.hpp, tandem/cluster/grpc.hpp), which no other header includes;
  - what stands in MODULE/src is included only by that module;
  - errors does without its component errors/wire, which needs Protobuf.
"""

BELOW = {"errors": [], "runtime": ["errors"], "sync": ["errors", "runtime"], "csp": ["errors", "runtime", "sync"],
         "resilience": ["errors", "runtime", "sync"],
         "testing": ["errors", "runtime", "sync", "csp", "resilience", "actors", "cluster"],
         "actors": ["errors", "runtime", "sync", "csp", "resilience"],
         "cluster": ["errors", "runtime", "sync", "csp", "resilience", "actors"],
         "app": ["errors", "runtime", "sync", "csp", "resilience", "actors", "cluster"]}
LIBRARIES = {"CAF": r"caf/", "gRPC": r"grpc(pp|\+\+)?/", "Protobuf": r"google/protobuf/|.*\.pb\.h$",
             "Asio": r"(boost/)?asio(/|\.hpp$)"}
SHOWN = {"actors": {"CAF"}, "cluster": {"Protobuf"}}
INTEROP = {"tandem/runtime/asio.hpp": {"Asio"}, "tandem/actors/caf.hpp": {"CAF"},
           "tandem/cluster/grpc.hpp": {"gRPC", "Protobuf"}}
# Headers of a part of a module that its other parts do without, because it needs more libraries.
COMPONENT = {"tandem/errors/wire.hpp": ("errors", "wire"), "tandem/errors/v1/error.pb.h": ("errors", "wire")}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^">]+)[">]', re.M)


def problems(module, path, text):
    """What is wrong with the includes of MODULE/path, as (line, message)."""
    component, public, header = re.match(r"(?:(?!include/|src/)(\w+)/)?(include/)?(.*)", path).groups()
    shown = SHOWN.get(module, set()) | INTEROP.get(header if public else "", set())
    for match in INCLUDE.finditer(re.sub(r"/\*.*?\*/", lambda c: "\n" * c.group(0).count("\n"), text, flags=re.S)):
        target, line = match.group(1), text.count("\n", 0, match.start(1)) + 1
        if public:
            for library, pattern in LIBRARIES.items():
                if re.match(pattern, target) and library not in shown:
                    yield line, f"a public header of {module} includes {library} ({target}); include it in src/"
            if target in INTEROP:
                yield line, f"{target} shows a library on purpose; no other public header may include it"
        other = re.match(r"tandem/(\w+)/", target)
        if other and other.group(1) in BELOW and other.group(1) != module and other.group(1) not in BELOW[module]:
            yield line, f"{module} must not include {other.group(1)} ({target}); arrows: {module} -> {BELOW[module] or 'none'}"
        owner, part = COMPONENT.get(target, (None, None))
        if owner == module and part != component:
            yield line, f"{target} belongs to {module}/{part}, which the rest of {module} does without"
        inner = re.match(r"(?:\.\./)*(\w+)/src/", target)
        if inner and inner.group(1) in BELOW and inner.group(1) != module:
            yield line, f"{target} is private to {inner.group(1)}"


def self_test():
    samples = [
        (1, "csp", "include/tandem/csp/channel.hpp", "#include <caf/actor.hpp>"),
        (1, "errors", "include/tandem/errors/error.hpp", "#pragma once\n  #  include <grpcpp/status.h>"),
        (1, "runtime", "include/tandem/runtime/task.hpp", "#include <asio.hpp>"),
        (1, "runtime", "include/tandem/runtime/task.hpp", "#include <tandem/runtime/asio.hpp>"),
        (1, "csp", "include/tandem/csp/select.hpp", "#include \"cluster/v1/envelope.pb.h\""),
        (1, "cluster", "include/tandem/cluster/node.hpp", "#include <grpc++/grpc++.h>"),
        (1, "csp", "src/group.cpp", "#include <tandem/actors/actor_ref.hpp>"),
        (1, "actors", "src/x.cpp", "#include \"../../runtime/src/worker.hpp\""),
        (1, "errors", "wire/include/tandem/errors/wire.hpp", "#include <google/protobuf/message.h>"),
        (1, "errors", "src/error.cpp", "#include <tandem/errors/wire.hpp>"),
        (0, "errors", "wire/src/decode.cpp", "#include <tandem/errors/wire.hpp>\n#include <tandem/errors/v1/error.pb.h>"),
        (0, "cluster", "src/refusal.cpp", "#include <tandem/errors/wire.hpp>"),
        (0, "runtime", "include/tandem/runtime/asio.hpp", "#include <asio/io_context.hpp>"),
        (0, "runtime", "src/io.cpp", "#include <asio.hpp>\n#include <tandem/errors/result.hpp>"),
        (0, "actors", "include/tandem/actors/actor.hpp", "#include <caf/local_actor.hpp>\n#include <tandem/csp/channel.hpp>"),
        (0, "cluster", "src/stream.cpp", "#include <grpcpp/grpcpp.h>\n#include \"tandem/cluster/v1/cluster.pb.h\""),
        (0, "csp", "include/tandem/csp/channel.hpp", "// #include <caf/all.hpp>\n/*\n#include <caf/all.hpp>\n*/"),
    ]
    failures = 0
    for expected, module, path, text in samples:
        found = list(problems(module, path, text))
        if len(found) != expected:
            failures += 1
            print(f"expected {expected} problems, got {found}: {module}/{path}: {text}")
    print(f"{len(samples)} samples, {failures} failures")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", help="the repository's top folder")
    parser.add_argument("--self-test", action="store_true", help="check that good and bad samples are told apart")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if options.root is None:
        parser.error("name the repository's top folder")
    count = found = 0
    for module in BELOW:
        top = os.path.join(options.root, module)
        for folder, folders, files in os.walk(top):
            folders.sort()
            for name in sorted(files):
                if not name.endswith((".hpp", ".cpp", ".h")):
                    continue
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read()
                count += 1
                for line, message in problems(module, os.path.relpath(path, top), text):
                    found += 1
                    print(f"{path}:{line}: {message}")
    if count == 0:
        print(f"check-includes: no module below {options.root}", file=sys.stderr)
        return 2
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
