#!/usr/bin/env bash
# Runs the server and the other commands, Ctrl-C included: check.sh INGEST
# Prints what went wrong, and exits with 1 then.
set -euo pipefail
export LC_ALL=C  # lengths are in bytes
ingest=$1
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
  tail -n +1 "$dir"/*.out "$dir"/*.err
  exit 1
}

# serve NAME OPTION...: a server on a free port whose folder is NAME; sets `server` and `port`
serve() {
  "$ingest" serve --folder "$dir/$1" --port 0 "${@:2}" >"$dir/$1.out" 2>"$dir/$1.err" &
  server=$!
  servers+=("$server")
  await_port "$1"
}
await_port() {
  until grep -qs '^listening on ' "$dir/$1.out"; do
    kill -0 "$server" 2>/dev/null || wrong "$1 does not start"
    sleep 0.05
  done
  port=$(sed -n 's/^listening on .*://p' "$dir/$1.out")
}

# ends CODE NAME COMMAND...: what it exits with
ends() {
  local code=0
  "${@:3}" >"$dir/$2.out" 2>"$dir/$2.err" || code=$?
  ((code == $1)) || wrong "$2 exits with $code"
}

says() { grep -q -- "$2" "$dir/$1" || wrong "no '$2' in $1"; }

# connect; say TEXT; hear: the status line of the next reply, its header and body read
connect() { exec {client}<>"/dev/tcp/127.0.0.1/$port"; }
disconnect() { exec {client}>&-; }
say() { printf '%b' "$1" >&"$client"; }
hear() {
  local line length=0
  read -r -t 10 -u "$client" status || { status=closed; return 0; }
  fields=
  while read -r -t 10 -u "$client" line && line=${line%$'\r'} && [[ -n $line ]]; do
    fields+="$line;"
    [[ $line != Content-Length:* ]] || length=${line#*: }
  done
  body=
  ((length == 0)) || [[ -n ${headers_only:-} ]] || read -r -t 10 -N "$length" -u "$client" body
  status=${status%$'\r'}
}

# expect STATUS [TEXT]: the next reply, and something in its fields or body
expect() {
  hear
  [[ $status == "HTTP/1.1 $1 "* ]] || wrong "'$status' and not $1: $body"
  [[ "$fields$body" == *"${2:-}"* ]] || wrong "no '$2' in $fields$body"
}
post() { say "POST /documents HTTP/1.1\r\nHost: x\r\nContent-Length: ${#1}\r\n\r\n$1"; }

# One connection for it all: it stays open unless the framing of requests is lost.
serve one --body-limit 1000 --header-limit 512
connect
post '{"n":1}'
expect 202
say 'POST /documents?q=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[2,\r\n5\r\n\n\r 3]\r\n0\r\n\r\n'
expect 202
post '{"n":'
expect 400 'parse error at line 1, column 6'
post ''
expect 400 'parse error'
post $'"\xff"'
expect 400 'ill-formed UTF-8'
say 'POST /documents HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n1\0no'
expect 400 'byte 2 is zero'
say 'GET /documents HTTP/1.1\r\nHost: x\r\n\r\n'
expect 405 'Allow: POST'
say 'DELETE /stats HTTP/1.1\r\nHost: x\r\n\r\n'
expect 405 'Allow: GET, HEAD'
say 'GET /else HTTP/1.1\r\nHost: x\r\n\r\n'
expect 404
say 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
expect 200 ok
say 'HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
headers_only=1 expect 200 'Content-Length: 15'
# Three at once, without waiting for replies.
say "$(printf 'POST /documents HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1\\r\\n\\r\\n%s' 4 5 6)"
expect 202
expect 202
expect 202
say 'POST /documents HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n'
expect 100
say '7'
expect 202
say 'GET /stats HTTP/1.1\r\nHost: x\r\n\r\n'
expect 200 '"documents":6'
say 'POST /documents HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n'
expect 413 'Connection: close'
hear
[[ $status == closed ]] || wrong "after 413: $status"
disconnect
# A client that does not wait hears of it, too.
connect
say 'POST /documents HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n'
head -c 5000000 /dev/zero >&"$client"
expect 413
disconnect
connect
say "GET /healthz HTTP/1.1\r\nX: $(printf 'x%.0s' {1..600})\r\n\r\n"
expect 431
disconnect
connect
say 'nonsense\r\n\r\n'
expect 400
disconnect
# A coding it does not know hides where the request ends.
for coding in gzip 'gzip, chunked'; do
  connect
  say "POST /documents HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: $coding\r\n\r\n1\r\n8\r\n0\r\n\r\n"
  expect 501 'Connection: close'
  hear
  [[ $status == closed ]] || wrong "after 501: $status"
  disconnect
done
connect
say 'GET /healthz HTTP/1.0\r\n\r\n'
expect 200 'Connection: close'
disconnect
ends 1 taken "$ingest" serve --folder "$dir/taken" --port "$port"
says taken.err "^ingest: cannot listen on 127.0.0.1:$port: "

# Ctrl-C: who has said nothing is disconnected, who is in the middle of a request gets his answer.
connect
silent=$client
connect
say 'POST /documents HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n'
expect 100
kill -INT "$server"
talking=$client client=$silent
hear
[[ $status == closed ]] || wrong "the silent one hears $status"
disconnect
client=$talking
say '12'
expect 503 'Retry-After: 1'
disconnect
ends 0 one_end wait "$server"
says one.out '^stored 6 documents with [0-9]* writes in 1 files; rejected 0, '
printf '%s\n' '{"n":1}' '[2,   3]' 4 5 6 7 | cmp - "$dir/one/documents-000001.jsonl" || wrong 'what is stored'

# A second Ctrl-C does not wait for him.
serve hasty --grace 600
connect
say 'POST /documents HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n'
expect 100
kill -INT "$server"
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
kill -INT "$server"
ends 0 hasty_end wait "$server"
disconnect

# More than it may take at a time: some are turned away, and no more than acknowledged is stored.
serve few --workers 1 --queue 0 --sync batch
ends 0 few_load "$ingest" load --port "$port" --seconds 1
says few_load.out '^status 429: '
says few_load.out '^status 200: '
kill -INT "$server"
ends 0 few_end wait "$server"
acknowledged=$(sed -n 's/^status 200: //p' "$dir/few_load.out")
(($(cat "$dir"/few/*.jsonl | wc -l) == acknowledged)) || wrong "not the $acknowledged acknowledged are stored"

# A client that is too slow; and, as files may grow to 8 KiB, a store that fails and goes on.
(ulimit -f 8; exec "$ingest" serve --folder "$dir/slow" --port 0 --patience 1) >"$dir/slow.out" 2>"$dir/slow.err" &
server=$!
servers+=("$server")
await_port slow
connect
say 'POST /documents HTTP/1.1\r\n'
expect 408
disconnect
connect
large="\"$(printf 'x%.0s' {1..3000})\""
post "$large"
expect 202
post "$large"
expect 202
post "$large"
expect 500 'could not be stored'
post '"small"'
expect 202
disconnect
kill -INT "$server"
ends 0 slow_end wait "$server"
says slow.err '^ingest: a document could not be stored: '
printf '%s\n' "$large" "$large" '"small"' | cmp - "$dir/slow/documents-000001.jsonl" || wrong 'what a full disk left'

# A file that is full is followed by another, as soon as there can be one.
serve rotated --file-limit 4
connect
post '"first"'
expect 202
rm -r "$dir/rotated"
post 2
expect 500 'could not be stored'
post 3
expect 500 'could not be stored'
mkdir "$dir/rotated"
post 4
expect 202
disconnect
kill -INT "$server"
ends 0 rotated_end wait "$server"
[[ $(cat "$dir"/rotated/*.jsonl) == 4 ]] || wrong 'what is stored once there is a folder again'

# Another connection than the one it may have waits until that is gone.
serve single --connections 1
connect
post 1
expect 202
post "[$(printf '%s,' {1..20000})0]"  # large ones are checked elsewhere
expect 202
post "[$(printf '%s,' {1..20000})]"
expect 400 'parse error at line 1'
first=$client
connect
post 2
read -r -t 0.3 -u "$client" status && wrong "a second connection is served: $status"
second=$client client=$first
disconnect
client=$second
expect 202
disconnect
kill -INT "$server"
ends 0 single_end wait "$server"

# Files; a second run does not touch the files of the first.
printf '{"a":\n 1}\n' >"$dir/a.json"
printf '\xef\xbb\xbf1\n\n[2\n"three"' >"$dir/b.jsonl"
ends 2 files "$ingest" files --folder "$dir/files" "$dir/a.json" "$dir/b.jsonl" "$dir/missing.json"
says files.out '^stored 3 documents$'
says files.err "^ingest: $dir/b.jsonl:3: parse error"
says files.err "missing.json"
ends 0 files_again "$ingest" files --folder "$dir/files" --sync batch "$dir/a.json"
[[ $(sort "$dir/files/documents-000001.jsonl") == $'"three"\n1\n{"a":  1} ' ]] || wrong 'what files stores'
[[ $(cat "$dir/files/documents-000002.jsonl") == '{"a":  1} ' ]] || wrong 'what files stores again'
ends 1 no_folder "$ingest" files --folder /dev/null/x "$dir/a.json"
says no_folder.err '^ingest: cannot make the folder /dev/null/x'

ends 1 nobody "$ingest" load --port 1
ends 64 nothing "$ingest"
ends 64 unknown "$ingest" serves
ends 64 no_option "$ingest" serve
ends 64 bad_sync "$ingest" serve --folder "$dir/x" --sync sometimes
ends 0 help "$ingest" serve --help
says help.out '^202: '
