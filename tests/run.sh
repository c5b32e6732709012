#!/bin/sh
# run.sh OUT PROGRAM TEST...: runs each test (a program or a .sh), reads its TAP, prints what failed and the sum.
# SPDX-License-Identifier: MIT
#
# A test that ends with another status than its lines tell, or prints none, counts as failed. Skipped tests name
# their reason. ONLY=pattern runs a part. The exit status is the verdict.
set -u
out=$1 program=$2
shift 2
: "${TEST_TIMEOUT:=900}"
pass=0 fail=0 skip=0
root=$(cd "$(dirname "$0")/.." && pwd)
[ -n "${ANETUI_TESTDATA:-}" ] || ANETUI_TESTDATA=$root/tests/data
export ANETUI_TESTDATA
export CMOCKA_MESSAGE_OUTPUT=TAP
export ANETUI="$root/$program" ANETUI_ASSETS="$root/assets" ANETUI_ROOT="$root" ANETUI_OUT="$root/$out"
# A home of our own: no user's settings, caches or history are read or written.
home=$(mktemp -d) || exit 1
trap 'rm -rf "$home"' EXIT
trap 'exit 130' INT TERM
export HOME="$home" XDG_CACHE_HOME="${ANETUI_TEST_CACHE:-$home/cache}" XDG_STATE_HOME="$home/state" XDG_CONFIG_HOME="$home/config"
mkdir -p "$out/log"
# The choice of library and threads is made here and stands for all tests: taken while others compute it would be made again at some later start, which says so in a line.
"$ANETUI" info >/dev/null 2>&1 </dev/null
for f in "$XDG_CACHE_HOME"/anetui/machine-*.json; do
	[ -f "$f" ] && sed 's/"busy":true/"busy":false/' "$f" >"$home/settled" && cp "$home/settled" "$f"
done

for t in "$@"; do
	name=$(basename "$t")
	case $name in *${ONLY:-}*) ;; *) continue ;; esac
	log="$root/$out/log/$name.log"
	mkdir -p "$home/run.$name"
	case $t in
	*.sh) (cd "$home/run.$name" && timeout "$TEST_TIMEOUT" sh "$root/$t") >"$log" 2>&1 </dev/null ;;
	*) (cd "$home/run.$name" && timeout "$TEST_TIMEOUT" "$root/$t") >"$log" 2>&1 </dev/null ;;
	esac
	status=$?
	rm -rf "$home/run.$name"
	ok=$(grep -cE '^[[:space:]]*ok [0-9]+' "$log")
	sk=$(grep -cE "^[[:space:]]*(not )?ok [0-9]+.*# (SKIP|skip)" "$log")
	sk_ok=$(grep -cE "^[[:space:]]*ok [0-9]+.*# (SKIP|skip)" "$log")
	bad=$(grep -E "^[[:space:]]*not ok [0-9]+" "$log" | grep -cvE "# (SKIP|skip)")
	if [ $status -ne 0 ] && [ "$bad" -eq 0 ] || [ $((ok + bad + sk)) -eq 0 ]; then
		bad=$((bad + 1))
		echo "not ok - $name ended with status $status" >>"$log"
	fi
	pass=$((pass + ok - sk_ok)) skip=$((skip + sk)) fail=$((fail + bad))
	printf '%-28s %4d passed %3d failed %3d skipped\n' "$name" $((ok - sk_ok)) "$bad" "$sk"
	[ "$sk" -gt 0 ] && grep -E '# (SKIP|skip)' "$log" | sed 's/^/    /'
	[ "$bad" -gt 0 ] && tail -n 60 "$log" | sed 's/^/    /'
done
echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ] && [ $pass -gt 0 ]
