#!/usr/bin/env bash
# Builds the word count and runs it on a cluster of nodes on this machine. See --help.
# shellcheck disable=SC2317  # traps call functions by name
set -euo pipefail
root=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")

usage() {
  cat <<'TEXT'
usage: ./demo.sh [--nodes N] [--kill] [FILE|DIR...]
Installs what is missing (tools/install-deps.sh build), builds examples/wordcount, starts nodes n1 ... nN on 127.0.0.1 that
authenticate each other with certificates of a development CA, has them count the words of the files, and checks the
result against coreutils (tr, sort, uniq).

  --nodes N  how many nodes, from 1 to 16 (default 3); n1 coordinates
  --kill     end the last node with SIGKILL when a third of the input is counted; the result must be the same
  FILE|DIR   what to count; folders with all files below them (default: /usr/share/doc/*/copyright)

Exit code: 0 all counted and verified; 1 something failed, or the result differs from that of coreutils; 2 some input could
not be counted, the rest was; 64 wrong usage; 130 interrupted.
TEXT
}

die() {
  printf 'demo.sh: %s\n' "$@" >&2
  exit 1
}

misuse() {
  printf 'demo.sh: %s; see ./demo.sh --help\n' "$*" >&2
  exit 64
}

nodes=3
kill=0
inputs=()
while (($# > 0)); do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --nodes) (($# > 1)) || misuse '--nodes needs a number'; nodes=$2; shift ;;
    --nodes=*) nodes=${1#*=} ;;
    --kill) kill=1 ;;
    --) shift; inputs+=("$@"); break ;;
    -*) misuse "unknown option $1" ;;
    *) inputs+=("$1") ;;
  esac
  shift
done
[[ $nodes =~ ^([1-9]|1[0-6])$ ]] || misuse "--nodes takes a number from 1 to 16, not '$nodes'"
((!kill || nodes > 1)) || misuse '--kill needs another node to kill: use --nodes 2 or more'
if ((${#inputs[@]} == 0)); then
  for file in /usr/share/doc/*/copyright; do
    if [[ -f $file && -r $file ]]; then inputs+=("$file"); fi
  done
  ((${#inputs[@]} > 0)) || misuse 'there are no copyright files under /usr/share/doc: name files to count'
fi

# Builds what is needed. A terminal sees how far it is; the whole output is in build/demo-build.log.
build() {
  local log=$root/build/demo-build.log line
  mkdir -p "$root/build"
  if ! (cd "$root" && cmake --preset release) >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "configuring failed; all of it is in $log"
  fi
  [[ -t 1 ]] || printf 'building build/release (log: build/demo-build.log)\n'
  if ! cmake --build "$root/build/release" --target wordcount 2>&1 | tee -a "$log" |
    while IFS= read -r line; do
      if [[ -t 1 && $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
        printf '\rbuilding: %d of %d\e[K' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
      fi
    done; then
    printf '\n' >&2
    grep -E -A 12 'FAILED|error:|fatal error' "$log" | head -n 40 >&2 || true
    die "building failed; all of it is in $log"
  fi
  [[ ! -t 1 ]] || printf '\r\e[K'
}

# What was started, to be ended: nodes by number, and the coordinator. They run in sessions of their own, so that Ctrl-C
# reaches this script only, which passes it on once.
declare -A node_pids=()
coordinator=
run=

alive() { kill -0 "$1" 2>/dev/null; }

# end PID: SIGTERM, which nodes answer within 2 s; SIGKILL for one that does not
end() {
  kill -TERM "$1" 2>/dev/null || return 0
  timeout 5 tail --pid="$1" -s 0.05 -f /dev/null || kill -KILL "$1" 2>/dev/null || true
}

clean_up() {
  local pid
  trap '' INT TERM HUP
  if [[ -n $coordinator ]]; then end "$coordinator"; fi
  for pid in "${node_pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${node_pids[@]}"; do end "$pid"; done
  wait
  [[ -z $run ]] || rm -rf "$run"
}

interrupted() {
  trap '' INT TERM HUP
  if [[ -n $coordinator ]] && alive "$coordinator"; then
    kill -INT "$coordinator" 2>/dev/null || true
    timeout 5 tail --pid="$coordinator" -s 0.05 -f /dev/null || true
  fi
  exit "$1"
}

trap clean_up EXIT
trap 'interrupted 130' INT
trap 'interrupted 143' TERM
trap 'interrupted 129' HUP

# A port of 127.0.0.1 below those that the system gives away by itself, on which nobody listens.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    if [[ " ${ports[*]-} " != *" $port "* ]] && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s' "$port"
      return
    fi
  done
}

# flags I: the command line all commands of node I have
flags() {
  local i
  printf '%s\0' --name "n$1" --listen "127.0.0.1:${ports[$1]}" --ca "$certs/ca.crt" --cert "$certs/n$1.crt" \
    --key "$certs/n$1.key"
  for ((i = 1; i <= nodes; ++i)); do printf '%s\0' --member "n$i=127.0.0.1:${ports[$i]}"; done
}

start_node() {
  local i=$1 line='' output
  local -a arguments
  mapfile -d '' -t arguments < <(flags "$i")
  # `output` is not closed: the node has a last line to write.
  exec {output}< <(exec setsid "$wordcount" node "${arguments[@]}" 2>"$run/n$i.log" </dev/null)
  node_pids[$i]=$!
  if ! IFS= read -r -t 20 -u "$output" line || [[ $line != "node n$i ready on "* ]]; then
    cat "$run/n$i.log" >&2
    die "node n$i did not start"
  fi
}

# The same count without a framework.
# shellcheck disable=SC2018,SC2019  # ASCII letters are meant
expected_counts() {
  local file
  while IFS= read -r -d '' file; do
    cat <"$file"
    echo
  done <"$1" | tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | { grep . || true; } | sort | uniq -c
}

verify() {
  LC_ALL=C expected_counts "$run/files" >"$run/expected"
  if cmp -s "$run/expected" "$run/counts"; then
    printf 'verified against coreutils: ok\n'
  else
    printf 'verified against coreutils: DIFFERENT; the first difference (< coreutils, > tandem):\n'
    LC_ALL=C diff "$run/expected" "$run/counts" | sed -n '1,4p' || true
    return 1
  fi
}

"$root/tools/install-deps.sh" build
build
wordcount=$root/build/release/examples/wordcount/wordcount
certs=$root/build/demo/certs
mkdir -p "$root/build/demo"
run=$(mktemp -d "$root/build/demo/run.XXXXXX")

names=()
ports=()
for ((i = 1; i <= nodes; ++i)); do
  names+=("n$i")
  ports[i]=$(free_port)
done
"$root/tools/dev-certs.sh" "$certs" "${names[@]}"
for ((i = 2; i <= nodes; ++i)); do start_node "$i"; done
if ((nodes == 1)); then
  printf 'counting on one node\n'
elif ((nodes == 2)); then
  printf 'counting on 2 nodes: n1 coordinates, n2 helps; mTLS on 127.0.0.1\n'
else
  printf 'counting on %d nodes: n1 coordinates, n2 to n%d help; mTLS on 127.0.0.1\n' "$nodes" "$nodes"
fi

mapfile -d '' -t arguments < <(flags 1)
if ((kill)); then arguments+=(--kill-at-third "${node_pids[$nodes]}"); fi
# bash has what it starts with & ignore SIGINT, which would lose a Ctrl-C until the program blocks the signal.
(trap - INT; exec setsid "$wordcount" count "${arguments[@]}" --counts-out "$run/counts" --files-out "$run/files" -- \
  "${inputs[@]}" </dev/null) &
coordinator=$!
status=0
wait "$coordinator" || status=$?
coordinator=

if [[ -e $run/counts ]]; then
  verify || exit 1
elif ((status == 1)); then
  for ((i = 2; i <= nodes; ++i)); do
    if [[ -s $run/n$i.log ]]; then printf -- '-- n%d said:\n' "$i" >&2; tail -n 5 "$run/n$i.log" >&2; fi
  done
fi
exit "$status"
