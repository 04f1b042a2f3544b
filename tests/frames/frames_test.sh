#!/usr/bin/env bash
# Tests of `./weft frames`: frames_test.sh CASE runs the function case_CASE, which fails with a message.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
weft=$here/../../weft
temp=$(mktemp -d "${TMPDIR:-/tmp}/weft_frames_test.XXXXXX")
trap 'rm -rf "$temp"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# run STATUS ARGS...: runs `weft frames ARGS` in $temp and checks its exit status; leaves stdout and stderr in files.
run() {
  local want=$1 status=0
  shift
  (cd "$temp" && "$weft" frames "$@") >"$temp/out" 2>"$temp/err" || status=$?
  ((status == want)) || fail "exit status $status instead of $want: $(cat "$temp/out" "$temp/err")"
}

# has FILE PATTERN: the file has a line that matches.
has() { grep -Eq -- "$2" "$temp/$1" || fail "no line like '$2' in: $(cat "$temp/$1")"; }
lacks() { if grep -Eq -- "$2" "$temp/$1"; then fail "a line like '$2' in: $(cat "$temp/$1")"; fi; }

case_every_coroutine_has_a_row_with_its_frame_size() {
  run 0 "$here/sample.cc"
  # line, frame bytes, elided, not elided, calls inlined, not inlined
  has out '^ +[0-9]+ +[1-9][0-9]+ +1 +0 +[0-9]+ +0 +.*up_to'
  has out '^ +[0-9]+ +[1-9][0-9]+ +0 +1 +[0-9]+ +[0-9]+ +inner'
  has out '^ +[0-9]+ +[1-9][0-9]+ +0 +0 +[0-9]+ +[0-9]+ +outer'
  [[ $(grep -c 'outer$' "$temp/out") == 2 ]] || fail "outer is not once a row and once a caller: $(cat "$temp/out")"
}

case_it_says_where_frames_were_elided() {
  run 0 "$here/sample.cc"
  has out 'up_to: elided in sum_of_three'
  has out 'inner: not elided in outer'
}

case_it_says_which_calls_were_not_inlined_and_why() {
  run 0 "$here/sample.cc"
  has out 'outer: kept_apart at sample.cc:[0-9]+: .*noinline'
  lacks out ': twice'
}

case_the_compilers_flags_follow_two_dashes() {
  printf '%s\n' '#include <weft/task.h>' 'weft::task<int> f() { co_return NUMBER; }' >"$temp/a.cc"
  run 1 a.cc
  has err 'NUMBER'
  has err "could not compile 'a.cc'"
  run 0 a.cc -- -DNUMBER=3 -O1
  has out ' f$'
}

case_a_file_without_coroutines_says_so() {
  echo 'int f() { return 1; }' >"$temp/plain.cc"
  run 0 plain.cc
  has out '^plain.cc: no coroutines$'
}

case_errors_of_the_compiler_are_shown() {
  echo 'int f() { return nowhere; }' >"$temp/bad.cc"
  run 1 bad.cc
  has err 'bad.cc:1:.*nowhere'
  has err "weft: frames: clang\+\+-19 could not compile 'bad.cc'"
}

case_missing_file() {
  run 2 nowhere.cc
  has err "there is no file 'nowhere.cc'"
}

case_missing_arguments() {
  run 2
  has err 'frames needs a source file'
}

case_wrong_arguments() {
  run 2 "$here/sample.cc" -O2
  has err "follow after --, not '-O2'"
}

case_missing_compiler() {
  mkdir "$temp/bin"
  local tool
  for tool in bash env dirname mktemp rm; do ln -s "$(command -v "$tool")" "$temp/bin/$tool"; done
  PATH=$temp/bin run 1 "$here/sample.cc"
  has err 'frames needs clang\+\+-19.*install the package clang-19'
}

case_of=${1:?usage: frames_test.sh CASE}
"case_$case_of"
echo "ok: $case_of"
