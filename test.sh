#!/usr/bin/env bash
# Installs what is missing, builds tandem and passes its tests. See --help.
# shellcheck disable=SC2317  # phase calls functions by name
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
usage: ./test.sh [--fast]
Installs what is missing (tools/install-deps.sh), then builds and tests:

  1. errors, runtime and csp under AddressSanitizer and UndefinedBehaviorSanitizer   build/asan
  2. the same under ThreadSanitizer                                                  build/tsan
  3. every public header alone                                                       build/ci
  4. a million inputs for what decodes errors, under ASan and UBSan, by clang        build/fuzz
  5. everything, optimised, warnings as errors                                       build/release

  --fast  only 5.

Uses all processors. A failing step does not keep the later ones from running; the last lines are ctest's summary of
step 5, or what failed. Exit code: 0 if all passed, 1 if a build or a test failed, 2 for wrong usage.
TEXT
}

fast=0
for argument in "$@"; do
  case "$argument" in
    -h | --help) usage; exit 0 ;;
    --fast) fast=1 ;;
    *) usage >&2; printf 'test.sh: unknown argument: %s\n' "$argument" >&2; exit 2 ;;
  esac
done

jobs=$(nproc)
export CMAKE_BUILD_PARALLEL_LEVEL=$jobs CTEST_PARALLEL_LEVEL=$jobs
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS-second_deadlock_stack=1}

failed=()
times=()

# phase NAME COMMAND...: runs it, tells how long it took, remembers a failure
phase() {
  local name=$1 started=$SECONDS status=0 outcome=ok
  shift
  printf '== %s\n' "$name"
  "$@" || status=$?
  if ((status != 0)); then
    outcome="FAILED (exit code $status)"
    failed+=("$name")
  fi
  times+=("$(printf '%-28s %4d s  %s' "$name" "$((SECONDS - started))" "$outcome")")
  printf '== %s: %s, %d s\n' "$name" "$outcome" "$((SECONDS - started))"
  return "$status"
}

# build PRESET [COMMAND...]: configures, quietly if that succeeds, and builds; both as arguments of COMMAND
build() {
  local preset=$1 log
  shift
  log=$(mktemp)
  if ! "$@" cmake --preset "$preset" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    printf 'test.sh: configuring failed. If build/%s is of another compiler or place, remove it and try again.\n' \
      "$preset" >&2
    return 1
  fi
  rm -f "$log"
  "$@" cmake --build --preset "$preset"
}

# Sets `launch` to what programs under ThreadSanitizer must be started with: it cannot map its memory where the kernel
# puts programs at addresses with more than 28 random bits, and `setarch -R` turns the randomness off.
find_tsan_launch() {
  local dir
  dir=$(mktemp -d)
  printf 'int main() {}\n' >"$dir/probe.cpp"
  launch=()
  if ! "${CXX:-g++}" -fsanitize=thread "$dir/probe.cpp" -o "$dir/probe"; then
    printf 'test.sh: %s cannot build with -fsanitize=thread; is its libtsan installed?\n' "${CXX:-g++}" >&2
    rm -rf "$dir"
    return 1
  fi
  # Each start draws new addresses, and some would do.
  for _ in {1..20}; do
    "$dir/probe" >/dev/null 2>&1 || launch=(setarch "$(uname -m)" -R)
  done
  if ! "${launch[@]}" "$dir/probe" >/dev/null 2>&1; then
    printf 'test.sh: no program built with -fsanitize=thread starts here, not even without random addresses.\n' >&2
    printf 'test.sh: allow setarch -R (personality(2)) in this container, or run: sysctl vm.mmap_rnd_bits=28\n' >&2
    rm -rf "$dir"
    return 1
  fi
  rm -rf "$dir"
}

asan() {
  build asan && ctest --preset asan
}

tsan() {
  # The build, too, starts the tests' programs: to ask for their cases.
  find_tsan_launch && build tsan "${launch[@]}" && "${launch[@]}" ctest --preset tsan
}

headers() {
  cmake --preset ci >/dev/null && cmake --build --preset ci --target all_verify_interface_header_sets
}

fuzz() {
  build fuzz && tests/fuzz/run.sh build/fuzz 1000000
}

groups=(build test)
((fast)) || groups+=(fuzz)
phase 'dependencies' tools/install-deps.sh "${groups[@]}" || exit 1
if ((!fast)); then
  phase 'asan: build and test' asan || true
  phase 'tsan: build and test' tsan || true
  phase 'headers: each compiles alone' headers || true
  phase 'fuzz: a million inputs' fuzz || true
fi
phase 'release: build' build release || true

printf '== so far, in %d s\n' "$SECONDS"
printf '   %s\n' "${times[@]}"
if [[ " ${failed[*]-} " == *' release: build '* ]]; then
  printf 'test.sh: the release build failed; its tests were not run\n' >&2
  exit 1
fi
printf '== release: test\n'
status=0
ctest --preset release || status=1
# ctest's summary ends the output of a good run; a bad one ends by naming what failed before it.
if ((${#failed[@]} > 0)); then
  status=1
  for preset in asan tsan; do
    log=build/$preset/Testing/Temporary/LastTest.log
    [[ ! -f $log ]] || awk '/^[0-9]+\/[0-9]+ Testing: / { text = "" } { text = text $0 "\n" }
      /^Test Failed\./ { printf "%s", text }' "$log" | tail -n 80 >&2
  done
  printf 'test.sh: FAILED: %s (the summary above is of the release tests only)\n' "${failed[@]}" >&2
fi
exit "$status"
