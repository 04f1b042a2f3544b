#!/usr/bin/env bash
# Tests of the programs in docs/guide.md: guide_test.sh FOLDER CASE runs the function case_CASE, which fails with a
# message. FOLDER has the programs, and next to them NAME.out where the guide shows what one prints.
set -euo pipefail
folder=$1

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

expect() {
  local out
  out=$("$folder/guide_$1") || fail "$1: exit status $?"
  [[ $out == "$2" ]] || fail "$1 prints '$out' instead of '$2'"
}

case_hello() { expect hello hello; }
case_twice() { expect twice 42; }
case_pipeline() { expect pipeline 333833500; }
case_deadline() { expect deadline "$(<"$folder/deadline.out")"; }

# A line comes back in capitals; at SIGTERM the service lets the client finish, and ends.
case_service() {
  local server port line
  coproc server_out { exec "$folder/guide_service"; }
  server=$server_out_PID
  read -r -t 60 line <&"${server_out[0]}" || fail "it says nothing"
  port=${line##*:}
  [[ $line == "listening on "* && $port =~ ^[0-9]+$ ]] || fail "it says '$line'"
  exec 3<>"/dev/tcp/127.0.0.1/$port"
  echo "hello there" >&3
  read -r -t 60 line <&3 || fail "no answer"
  [[ $line == "HELLO THERE" ]] || fail "it answers '$line'"
  kill -TERM "$server"
  exec 3>&-
  read -r -t 60 line <&"${server_out[0]}" || fail "it does not end"
  [[ $line == "all have finished" ]] || fail "it ends with '$line'"
  wait "$server" || fail "exit status $?"
}

"case_$2"
