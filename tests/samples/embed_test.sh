#!/usr/bin/env bash
# Runs embed, whose own epoll loop drives a weft runtime, and checks that both sides did their work and nobody span.
#
#   embed_test.sh EMBED CASE        runs one case, each a function case_<CASE> below
set -euo pipefail
export LC_ALL=C
unset WEFT_DEBUG WEFT_GC WEFT_MEMLIMIT WEFT_IO WEFT_PROCS

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# What a message costs is bounded, so polls that find nothing to do are few: the loop sleeps until there is work.
both_sides() {
  local messages=$1 got figures polls empty
  got=$(timeout 120 "$embed" "$messages" 2>"$work/figures") || fail "status $?: $(cat "$work/figures")"
  [[ $got == "host: $messages echoes, 3 ticks or more"$'\n'"weft: $messages echoes" ]] || fail "printed: $got"
  figures=$(cat "$work/figures")
  polls=$(sed -nE 's/.*poll\(\) ran ([0-9]+) times.*/\1/p' <<<"$figures")
  empty=$(sed -nE 's/.* ([0-9]+) of them for nothing.*/\1/p' <<<"$figures")
  ((polls <= 20 * messages + 100)) || fail "too many polls: $figures"
  ((empty <= messages + 20)) || fail "too many polls for nothing: $figures"
}

case_both_sides_work_on_io_uring() { WEFT_IO=uring both_sides 1000; }
case_both_sides_work_on_epoll() { WEFT_IO=epoll both_sides 1000; }

case_bad_arguments() {
  local word
  for word in 0 x 1x -1; do
    local status=0
    "$embed" "$word" 2>"$work/figures" || status=$?
    ((status == 2)) || fail "'$word': status $status"
    grep -q "usage: embed" "$work/figures" || fail "no usage for '$word'"
  done
}

if [[ ${1-} == --list ]]; then
  declare -F | sed -n 's/^declare -f case_//p'
  exit
fi
embed=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"case_$2"
