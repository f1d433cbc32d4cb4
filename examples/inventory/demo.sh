#!/usr/bin/env bash
# Runs the shop, breaks it, and checks what it prints: demo.sh INVENTORY
# INVENTORY is the program, as in build/release/examples/inventory/inventory. Prints what went wrong, and exits with 1 then.
set -euo pipefail
if [[ $# -ne 1 || $1 == -h || $1 == --help ]]; then
  sed -n '2,3s/^# //p' "$0"
  [[ $# -eq 1 && $1 == -* ]] && exit 0
  exit 64
fi
inventory=$1
dir=$(mktemp -d)
shop=
clean() {
  [[ -z $shop ]] || kill -KILL "$shop" 2>/dev/null || true
  rm -rf "$dir"
}
trap clean EXIT

wrong() {
  printf '%s\n' "wrong: $1"
  tail -n 12 "$dir"/out "$dir"/err
  exit 1
}
# ends CODE COMMAND...: what it exits with
ends() {
  local code=0
  "${@:2}" >"$dir/out" 2>"$dir/err" || code=$?
  ((code == $1)) || wrong "exit code $code and not $1 of ${*:2}"
}
says() { grep -q -- "$2" "$dir/$1" || wrong "no '$2' in $1"; }
number() { sed -n "s/$1/\\1/p" "$dir/out"; }

# The movements that were printed must add up to the table, which the program made of the books and of the shelves.
adds_up() {
  awk '/ delivered, / { came[$1] += $2 } / sold, / { went[$1] += $2 }
       NF == 4 && $2 ~ /^[0-9]+$/ { item = $1 ":"; ++items
         if (came[item] != $2 || went[item] != $3 || $2 - $3 != $4) { print "not so: " $0; exit 1 } }
       END { if (items == 0) { print "no table"; exit 1 } }' "$dir/out" || wrong 'the movements do not add up'
}
# What was printed and what was not are all movements; if all were printed, they add up.
movements_are_right() {
  local all missed printed
  all=$(number '^\([0-9]*\) movements, .*')
  missed=$(number '^.* movements, [0-9]* printed, \([0-9]*\) not;.*')
  printed=$(grep -c ', [0-9]* left$' "$dir/out")
  ((printed + missed == all)) || wrong "$printed movements printed and $missed missed are not $all"
  ((missed > 0)) || adds_up
}

# 800 orders; each connection breaks after one delivery, so keepers fail again and again, and nothing is lost.
ends 0 "$inventory" --customers 8 --orders 100 --connection-lasts 1 --intensity 1000
says out '^the books are right$'
says out '^800 orders of '
movements_are_right
restarts=$(number '^5 keepers, started again \([0-9]*\) times$')
repeated=$(number '^800 orders of [0-9]* pieces; \([0-9]*\) were placed again.*')
((restarts > 5)) || wrong "only $restarts restarts"
((restarts == repeated)) || wrong "$restarts restarts, but $repeated customers heard of one"
((restarts == $(grep -c 'the connection to the supplier broke' "$dir/err"))) || wrong 'not every restart is told of'
says out ' 0 dead letters$'

# Connections that never work: the supervisors give up one after the other, and the program says what to do.
ends 1 "$inventory" --connection-lasts 0 --intensity 3
says err 'supervisor staff gave up: more than 3 restarts in 10 s'
says err '^inventory: the shop had to close: '
says err 'with --intensity, or better connections with --connection-lasts$'

# Ctrl-C: the orders that were placed are carried out.
"$inventory" --orders 1000000 --pause 1 >"$dir/out" 2>"$dir/err" &
shop=$!
until grep -qs ' sold, ' "$dir/out"; do
  kill -0 "$shop" 2>/dev/null || wrong 'it does not start'
  sleep 0.05
done
kill -INT "$shop"
code=0
wait "$shop" || code=$?
shop=
((code == 0)) || wrong "exit code $code after Ctrl-C"
says out '^the books are right$'
movements_are_right

ends 0 "$inventory" --orders 0
says out '^0 keepers, '
ends 64 "$inventory" --customers 0
ends 64 "$inventory" --nonsense
ends 0 "$inventory" --help
says out 'Exit codes: '
echo 'the shop works, breaks, and ends as it should'
