#!/usr/bin/env bash
# Measures the server, and checks that what it acknowledged is stored: bench.sh INGEST [SECONDS [CONNECTIONS [OPTION…]]]
# INGEST is the program, as in build/release/examples/ingest/ingest; OPTIONs are for `ingest serve`, as --sync batch.
# Prints requests per minute, replies by status (429: turned away), and how many documents are in the files.
set -euo pipefail
if [[ $# -eq 0 || $1 == -h || $1 == --help ]]; then
  sed -n '2,4s/^# //p' "$0"
  exit $(($# == 0 ? 64 : 0))
fi
ingest=$1 seconds=${2:-10} connections=${3:-64}
dir=$(mktemp -d)
server=
clean() {
  [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
  rm -rf "$dir"
}
trap clean EXIT

"$ingest" serve --folder "$dir/documents" --port 0 "${@:4}" >"$dir/out" &
server=$!
until grep -qs '^listening on ' "$dir/out"; do
  kill -0 "$server" 2>/dev/null || { echo 'the server did not start'; exit 1; }
  sleep 0.05
done
port=$(sed -n 's/^listening on .*://p' "$dir/out")

"$ingest" load --port "$port" --seconds "$seconds" --connections "$connections" | tee "$dir/load"

kill -INT "$server"
wait "$server"
server=
sed 1d "$dir/out"
acknowledged=$(awk '/^status 20[02]:/ { n += $3 } END { print n + 0 }' "$dir/load")
turned_away=$(awk '/^status 429:/ { n += $3 } END { print n + 0 }' "$dir/load")
stored=$(cat "$dir"/documents/*.jsonl | wc -l)
echo "acknowledged $acknowledged, in the files $stored, turned away with 429 $turned_away"
((stored == acknowledged)) || { echo 'wrong: these numbers differ'; exit 1; }
