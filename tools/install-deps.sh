#!/usr/bin/env bash
# Installs what building and testing tandem needs on Debian 12, and only what is missing. See --help.
set -euo pipefail

# One line per need: a Debian package, or COMMAND[>=VERSION]=PACKAGES where any COMMAND on the PATH will do.
build=(
  'g++>=12=g++'
  'cmake>=3.25=cmake'
  ninja=ninja-build
  mold=mold
  ccache=ccache
  git=git
  openssl=openssl
  protoc=protobuf-compiler
  grpc_cpp_plugin=protobuf-compiler-grpc
  pkg-config=pkg-config
  ca-certificates
  libabsl-dev
  libasio-dev
  libbenchmark-dev
  libboost-dev
  libcaf-dev
  libcli11-dev
  libfmt-dev
  libgrpc++-dev
  libgtest-dev
  libprotobuf-dev
  libssl-dev
  libunwind8
  liburing-dev
  nlohmann-json3-dev
)
fuzz=(
  'clang++-19=clang-19'
  libclang-rt-19-dev
)
test=(
  'node>=18=nodejs'
  npm=npm
  kubectl=kubernetes-client
  python3=python3-minimal
)

usage() {
  cat <<'TEXT'
usage: tools/install-deps.sh [--check] [build] [test] [fuzz]
Installs the Debian packages that tandem needs and that are missing. Prints nothing when nothing is missing.

  build    compilers, build tools and libraries (also what the demo needs)
  test     what the checks of deploy/ and of the house rules need: kubectl, node, npm, python3
           no group named: these two
  fuzz     clang and its libFuzzer, for the targets of tests/fuzz
  --check  install nothing; print what is missing, one package per line, and exit with 1 if there is any

Needs Debian 12 (bookworm) or a relative with the same package names, and root or sudo if anything is missing.
TEXT
}

die() {
  printf 'install-deps: %s\n' "$@" >&2
  exit 1
}

# version_of COMMAND: the first number with dots in what COMMAND --version prints
version_of() {
  local text
  text=$("$1" --version 2>/dev/null) || return 1
  [[ $text =~ [0-9]+(\.[0-9]+)+ ]] && printf '%s' "${BASH_REMATCH[0]}"
}

# at_least VERSION MINIMUM
at_least() {
  local -a have want
  IFS=. read -ra have <<<"$1"
  IFS=. read -ra want <<<"$2"
  local i
  for i in "${!want[@]}"; do
    ((10#${have[i]:-0} > 10#${want[i]})) && return 0
    ((10#${have[i]:-0} < 10#${want[i]})) && return 1
  done
  return 0
}

# missing NEED...: prints the packages to install, one per line
missing() {
  local need command minimum package found installed
  local -a packages=()
  for need in "$@"; do
    if [[ $need =~ ^([^=]+)\>=([0-9.]+)=(.+)$ ]]; then
      command=${BASH_REMATCH[1]} minimum=${BASH_REMATCH[2]} package=${BASH_REMATCH[3]}
      if ! { command -v "$command" && found=$(version_of "$command") && at_least "$found" "$minimum"; } >/dev/null; then
        printf '%s\n' "$package"
      fi
    elif [[ $need =~ ^([^=]+)=(.+)$ ]]; then
      command -v "${BASH_REMATCH[1]}" >/dev/null || printf '%s\n' "${BASH_REMATCH[2]}"
    else
      packages+=("$need")
    fi
  done
  ((${#packages[@]} > 0)) || return 0
  # dpkg-query fails when it knows nothing of a package; what it does not print as installed is missing.
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
  for package in "${packages[@]}"; do
    grep -qxF "installed $package" <<<"$installed" || printf '%s\n' "$package"
  done
}

# run_apt ARGUMENTS...: apt-get, its output kept for the case that something fails
run_apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
}

apt_failed() {
  # Which mirror a machine uses is its own affair: addresses are left out.
  { grep -E '^(E|W|Err|dpkg)\b|No space' "$log" || tail -n 5 "$log"; } | tail -n 12 |
    sed -E 's#[a-z+]+://[^ ]+#(mirror)#g; s#(connect to|resolving|resolve) [^ ]+#\1 (mirror)#g' >&2
  die "apt-get $1 failed." \
    'Check that this machine reaches its Debian mirror (apt-get update), has free disk space (df -h /),' \
    'and that no other package installation was interrupted (dpkg --configure -a). Then run this again.'
}

check=0
groups=()
for argument in "$@"; do
  case "$argument" in
    -h | --help) usage; exit 0 ;;
    --check) check=1 ;;
    build | test | fuzz) groups+=("$argument") ;;
    *) usage >&2; die "unknown argument: $argument" ;;
  esac
done
((${#groups[@]} > 0)) || groups=(build test)

command -v dpkg-query >/dev/null ||
  die 'this is not a Debian system (no dpkg-query).' \
    "Install by your system's own means: ${build[*]#*=} ${test[*]#*=}"

needs=()
for group in "${groups[@]}"; do
  case "$group" in
    build) needs+=("${build[@]}") ;;
    test) needs+=("${test[@]}") ;;
    fuzz) needs+=("${fuzz[@]}") ;;
  esac
done

mapfile -t packages < <(missing "${needs[@]}" | sort -u)
((${#packages[@]} > 0)) || exit 0
if ((check)); then
  printf '%s\n' "${packages[@]}"
  exit 1
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null ||
    die 'packages are missing and this is neither root nor is sudo installed. As root, run:' \
      "  apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
  as_root=(sudo)
  # Without a terminal nobody can type a password.
  [[ -t 0 ]] || as_root=(sudo -n)
  "${as_root[@]}" true || die 'sudo was refused. Run this as root, or as a user who may use sudo.'
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf 'install-deps: missing: %s\n' "${packages[*]}"
printf 'install-deps: reading the package lists\n'
# A source that cannot be read is only a warning to apt: another one may have what is needed.
run_apt update || apt_failed update
printf 'install-deps: installing (this may take some minutes)\n'
started=$SECONDS
run_apt install -y --no-install-recommends "${packages[@]}" || apt_failed install

hash -r
mapfile -t left < <(missing "${needs[@]}" | sort -u)
((${#left[@]} == 0)) ||
  die "apt-get installed the packages, yet these needs are not met: ${left[*]}" \
    'The distribution may be too old (g++ >= 12, cmake >= 3.25 and node >= 18 are needed), or an older program of the same' \
    'name may come first on the PATH.'
printf 'install-deps: done in %d s\n' "$((SECONDS - started))"
