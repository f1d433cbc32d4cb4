#!/bin/sh
# Makes a certificate authority for development and one certificate per node. Never use it for production: the CA's key
# lies beside the certificates.
set -eu

usage() {
  cat <<'END'
usage: dev-certs.sh [--san LIST] [--days N] DIR NAME...

Makes DIR/ca.crt and DIR/ca.key unless they exist, and for each node NAME a certificate DIR/NAME.crt, valid for the
name DNS:NAME, with its key DIR/NAME.key (EC P-256, readable by you alone). Certificates that still fit are kept, so
running it again changes nothing; others are issued anew.

  --san LIST  further names for every certificate, e.g. DNS:localhost,IP:127.0.0.1
  --days N    how long new certificates are valid (default 365)
  --help      this text
END
}

die() {
  echo "dev-certs.sh: $*" >&2
  exit 1
}

extra=
days=365
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --san) [ $# -ge 2 ] || die "--san needs a list, e.g. DNS:localhost,IP:127.0.0.1"; extra=$2; shift 2 ;;
    --days) [ $# -ge 2 ] || die "--days needs a number"; days=$2; shift 2 ;;
    --) shift; break ;;
    -*) die "unknown option $1; see --help" ;;
    *) break ;;
  esac
done
case $days in '' | *[!0-9]*) die "--days '$days' is not a number of days" ;; esac
[ $# -ge 2 ] || die "needs a directory and at least one node name; see --help"
command -v openssl >/dev/null || die "needs the openssl program; install the package openssl"

dir=$1
shift
for name; do
  case $name in '' | *[!a-z0-9._-]*) die "'$name' is not a node name: use a-z 0-9 . - _" ;; esac
  [ "$name" != ca ] || die "'ca' cannot be a node name: its files would be the CA's"
done
umask 077
mkdir -p "$dir" || die "cannot make the directory $dir"

# Files are written under another name first, so that nobody ever reads half of one.
work=$(mktemp -d "$dir/.new.XXXXXX") || die "cannot write to $dir"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

run() {
  "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "openssl failed: $*"; }
}

new_key() { run openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

if [ ! -f "$dir/ca.crt" ] || [ ! -f "$dir/ca.key" ] || ! openssl x509 -in "$dir/ca.crt" -noout -checkend 86400 >/dev/null 2>&1; then
  new_key "$work/ca.key"
  run openssl req -x509 -new -key "$work/ca.key" -sha256 -days 3650 -subj "/CN=tandem development CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -out "$work/ca.crt"
  mv "$work/ca.key" "$dir/ca.key"
  mv "$work/ca.crt" "$dir/ca.crt"
fi

# True if NAME's certificate is of this CA, fits its key, has these names and lives for another day.
fits() {
  [ -f "$dir/$1.crt" ] && [ -f "$dir/$1.key" ] && [ -f "$dir/$1.san" ] || return 1
  [ "$(cat "$dir/$1.san")" = "$2" ] || return 1
  openssl verify -CAfile "$dir/ca.crt" "$dir/$1.crt" >/dev/null 2>&1 || return 1
  openssl x509 -in "$dir/$1.crt" -noout -checkend 86400 >/dev/null 2>&1 || return 1
  [ "$(openssl x509 -in "$dir/$1.crt" -noout -pubkey)" = "$(openssl pkey -in "$dir/$1.key" -pubout)" ]
}

for name; do
  san="DNS:$name${extra:+,$extra}"
  if fits "$name" "$san"; then continue; fi
  new_key "$work/key"
  run openssl req -new -key "$work/key" -subj "/CN=$name" -out "$work/csr"
  {
    echo "basicConstraints=critical,CA:FALSE"
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=serverAuth,clientAuth"
    echo "subjectAltName=$san"
  } >"$work/ext"
  run openssl x509 -req -in "$work/csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -sha256 -days "$days" \
    -set_serial "0x$(openssl rand -hex 16)" -extfile "$work/ext" -out "$work/crt"
  echo "$san" >"$work/san"
  mv "$work/key" "$dir/$name.key"
  mv "$work/crt" "$dir/$name.crt"
  mv "$work/san" "$dir/$name.san"
done
chmod 0644 "$dir/ca.crt"
for name; do chmod 0644 "$dir/$name.crt"; done
