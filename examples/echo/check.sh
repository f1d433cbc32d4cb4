#!/usr/bin/env bash
# Runs servers and clients, Ctrl-C included: check.sh ECHO ECHO_WHOSE_ACCEPT_FAILS
# Prints what went wrong, and exits with 1 then.
set -euo pipefail
echo=$1 refused=$2
dir=$(mktemp -d)
servers=()
clean() {
  local pid
  for pid in "${servers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap clean EXIT

wrong() {
  printf '%s\n' "wrong: $1"
  tail -n +1 "$dir"/*
  exit 1
}

# serve NAME [LIMIT]: a server on a free port that may have LIMIT descriptors; sets `server` and `port`
serve() {
  (ulimit -n "${2:-$(ulimit -n)}" && exec "$echo" serve --port 0) >"$dir/$1.out" 2>"$dir/$1.err" &
  server=$!
  servers+=("$server")
  await "$1.out" '^listening on '
  port=$(sed -n 's/^listening on .*://p' "$dir/$1.out")
}

# await FILE TEXT: until the server has written it
await() {
  until grep -qs -- "$2" "$dir/$1"; do
    kill -0 "$server" 2>/dev/null || wrong "no '$2' in $1"
    sleep 0.05
  done
}

says() { grep -q -- "$2" "$dir/$1" || wrong "no '$2' in $1"; }

# ends CODE NAME COMMAND...: what it exits with
ends() {
  local code=0
  "${@:3}" >"$dir/$2.out" 2>"$dir/$2.err" || code=$?
  ((code == $1)) || wrong "$2 exits with $code"
}

# A server that has stopped, for the slowest answer: it comes at the end.
serve silent
silent=$port
kill -STOP "$server"
(ends 1 no_answer "$echo" ask --port "$silent" hello) &
no_answer=$!

# Three clients, then Ctrl-C.
serve three
for text in one two three; do [[ $("$echo" ask --port "$port" "$text") == "$text" ]] || wrong "no echo of $text"; done
ends 1 taken "$echo" serve --port "$port"
says taken.err "^echo: cannot listen on port $port: "
kill -INT "$server"
ends 0 three_end wait "$server"
says three.out '^served 3 connections$'

# A client that stays, and Ctrl-C again.
serve idle
exec {client}<>"/dev/tcp/127.0.0.1/$port"
echo here >&"$client"
read -r -u "$client" answer
[[ $answer == here ]] || wrong "the idle client read '$answer'"
kill -INT "$server"
await idle.out '^waiting up to 5 s for 1 connection; Ctrl-C again cuts them off$'
kill -INT "$server"
ends 0 idle_end wait "$server"
says idle.out '^some had to be cut off: cancelled'
exec {client}>&-

# More clients than descriptors; when they are gone others are served.
serve crowd 64
clients=()
for _ in {1..80}; do
  exec {client}<>"/dev/tcp/127.0.0.1/$port"
  clients+=("$client")
done
await crowd.err '^echo: new connections have to wait until others end: '
sleep 0.3  # two more attempts, which say nothing
(($(wc -l <"$dir/crowd.err") == 1)) || wrong 'a line for each attempt'
for client in "${clients[@]}"; do exec {client}>&-; done
[[ $("$echo" ask --port "$port" more) == more ]] || wrong 'no echo after the crowd'
kill -INT "$server"
ends 0 crowd_end wait "$server"

ends 1 cannot_accept "$refused" serve
says cannot_accept.err '^echo: cannot accept connections: '
ends 1 nobody "$echo" ask --port 1 hello
says nobody.err '^echo: cannot reach 127.0.0.1:1: '

ends 2 nothing "$echo"
ends 2 unknown "$echo" asks
says unknown.err '"asks"'
ends 2 port_0 "$echo" ask --port 0 hello
ends 2 port_high "$echo" serve --port 65536
ends 0 help "$echo" serve --help
says help.out ' 5 s '

wait "$no_answer"
says no_answer.err "^echo: no answer from 127.0.0.1:$silent within 5 s"
