#!/usr/bin/env bash
# Compares textscan's speed with that of ripgrep and GNU grep on the same files in the page cache.
#
#   samples/textscan/compare.sh TEXTSCAN [DIRECTORY [RUNS]]
#
# The programs take turns, so that whatever else the machine does meets all of them alike. Prints the medians of the
# wall time and of the processor time, and the median of textscan's ratio to the other in the same turn. Results are
# written to a file: grep stops at the first match when it writes to /dev/null.
set -euo pipefail
export LC_ALL=C TIMEFORMAT='%R %U %S'

if (($# < 1 || $# > 3)) || [[ ! -x $1 ]]; then
  echo "usage: samples/textscan/compare.sh TEXTSCAN [DIRECTORY [RUNS]]" >&2
  exit 2
fi
textscan=$1
directory=${2-/usr/include}
runs=${3-11}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# measure NAME COMMAND...: one run; adds a line "wall cpu" in ms to $work/NAME.
measure() {
  local name=$1
  shift
  { time "$@" >"$work/results" 2>/dev/null || true; } 2>&1 | awk '{ print 1000 * $1, 1000 * ($2 + $3) }' >>"$work/$name"
}

median() { sort -g | awk '{ v[NR] = $1 } END { printf "%.2f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
column() { awk -v c="$1" '{ print $c }' "$work/$2"; }

row() {
  local name=$1 ratio=
  if [[ $name != textscan && -e $work/textscan ]]; then
    ratio=$(paste -d' ' "$work/textscan" "$work/$name" | awk '{ print $1 / $3 }' | median)
  fi
  printf '  %-9s %7.0f ms %7.0f ms   %s\n' "$name" \
    "$(column 1 "$name" | median)" "$(column 2 "$name" | median)" "$ratio"
}

# compare TITLE: takes turns with the commands in the arrays ours, rg and grep; an empty one is left out.
compare() {
  local turn
  rm -f "$work"/*
  for ((turn = 0; turn <= runs; ++turn)); do
    measure textscan "${ours[@]}"
    if ((${#rg[@]})); then measure ripgrep "${rg[@]}"; fi
    if ((${#grep[@]})); then measure grep "${grep[@]}"; fi
    if ((turn == 0)); then rm -f "$work"/*; fi  # the first turn warms the caches
  done
  printf '%s\n  %-9s %10s %10s   %s\n' "$1" "" wall processor "textscan takes so much of its wall time"
  for name in textscan ripgrep grep; do if [[ -e $work/$name ]]; then row "$name"; fi; done
}

for text in mutex include zzzqqq; do
  ours=("$textscan" -q --search "$text" "$directory")
  rg=(rg -c -uuu --no-messages -j2 -F -- "$text" "$directory")
  grep=(grep -rcF -- "$text" "$directory")
  compare "lines with '$text'"
done
ours=("$textscan" -q --lines "$directory")
rg=(rg -c -uuu --no-messages -j2 '' "$directory")
grep=(grep -rc '' "$directory")
compare "all lines"
ours=("$textscan" -q "$directory") rg=() grep=()
compare "words"
