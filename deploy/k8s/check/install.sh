#!/bin/sh
# Installs the packages that check.mjs needs, as package-lock.json lists them. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: install.sh DIR
Installs the npm packages of check.mjs into DIR/node_modules, outside the source tree. Does nothing when DIR already
holds the packages of this package-lock.json.
Exit code: 0 done, 1 npm failed, 77 npm is not installed.
TEXT
}

case "${1-}" in
  -h | --help) usage; exit 0 ;;
  '' | -*) usage >&2; exit 1 ;;
esac
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dir=$1
if cmp -s "$here/package-lock.json" "$dir/installed.json"; then
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "install.sh: npm not found; install it (tools/install-deps.sh test)" >&2
  exit 77
fi
mkdir -p "$dir"
cp "$here/package.json" "$here/package-lock.json" "$dir/"
if ! npm ci --prefix "$dir" --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error; then
  echo "install.sh: npm could not install the packages; is an npm registry within reach?" >&2
  exit 1
fi
cp "$here/package-lock.json" "$dir/installed.json"
