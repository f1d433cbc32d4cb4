#!/usr/bin/env bash
# Runs the fuzz targets of a build, each from seeds of its own and always in the same way: run.sh BUILD_FOLDER RUNS
set -euo pipefail
if (($# != 2)); then
  printf 'usage: tests/fuzz/run.sh BUILD_FOLDER RUNS\n' >&2
  exit 2
fi
programs=$1/tests/fuzz
runs=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for seeds in "$programs"/fuzz_*_seeds; do
  target=$(basename "${seeds%_seeds}")
  mkdir "$work/$target"
  "$seeds" "$work/$target"
  # Inputs that break something stay in the build folder.
  if ! "$programs/$target" -runs="$runs" -seed=1 -max_len=4200 -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
    -print_final_stats=1 -print_funcs=0 -artifact_prefix="$programs/$target-" "$work/$target" >"$work/log" 2>&1; then
    tail -n 60 "$work/log" >&2
    exit 1
  fi
  grep -E 'number_of_executed_units|average_exec_per_sec|peak_rss_mb' "$work/log"
done
