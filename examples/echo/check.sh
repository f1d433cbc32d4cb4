#!/bin/sh
# Runs a server, three clients, and Ctrl-C: check.sh PROGRAM
set -eu
out=$(mktemp)
"$1" serve --port 0 >"$out" &
server=$!
trap 'kill $server 2>/dev/null || true; rm -f "$out"' EXIT
until grep -q listening "$out"; do kill -0 $server; sleep 0.05; done
port=$(sed -n 's/^listening on .*://p' "$out")
for text in one two three; do "$1" ask --port "$port" "$text"; done
kill -INT $server
wait $server
cat "$out"
