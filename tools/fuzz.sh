#!/usr/bin/env bash
# Runs every fuzz target, one after another. FUZZTIME (10m) is the total for all
# targets, without the time to build them. A failing input is saved in
# testdata/fuzz of the target's package, and the remaining targets still run.
# Usage: fuzz.sh [PATTERN of target names]
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go} time=${FUZZTIME:-10m} pattern=${1:-}
case $time in
*h) total=$((${time%h} * 3600)) ;;
*m) total=$((${time%m} * 60)) ;;
*s) total=${time%s} ;;
*) total=$time ;;
esac

list=$(grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+\(f ' . | sed -E 's/^\.\/(.*)\/[^/]+:[0-9]+:func (Fuzz[A-Za-z0-9_]+)\(f $/\1 \2/' | sort | grep -E " .*$pattern")
count=$(wc -l <<<"$list")
each=$((total / count > 0 ? total / count : 1))
log=$(mktemp)
trap 'rm -f "$log"' EXIT

execs=0 findings=0
while read -r dir target; do
  result=ok
  $go test -run '^$' -fuzz "^$target\$" -fuzztime "${each}s" -fuzzminimizetime 2s "./$dir" >"$log" 2>&1 </dev/null || result=FAILED
  # Without a failing input, go test has reported the end of the time as a
  # failure (golang/go#75804).
  if ! grep -q 'Failing input' "$log" && grep -q '^    context deadline exceeded$' "$log"; then
    result=ok
  fi
  if ! grep -qE 'execs: [1-9]' "$log"; then
    result=FAILED # a target that never ran found nothing
  fi
  n=$(grep -oE 'execs: [0-9]+' "$log" | tail -1 | grep -oE '[0-9]+' || echo 0)
  printf '%-22s %-22s %10d executions  %s\n' "$dir" "$target" "$n" "$result"
  if [ $result = FAILED ]; then
    findings=$((findings + 1))
    tail -40 "$log"
  fi
  execs=$((execs + n))
done <<<"$list"
echo "$count targets, $((each * count)) s, $execs executions, $findings findings"
[ $findings = 0 ]
