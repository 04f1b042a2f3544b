#!/usr/bin/env bash
# Runs echo_server and echo_load against each other over loopback and checks what they print and how they end.
#
#   echo_test.sh ECHO_SERVER CASE     runs one case, each a function case_<CASE> below; echo_load lies beside the server
#   echo_test.sh --list               names the cases
set -euo pipefail
export LC_ALL=C
unset WEFT_DEBUG WEFT_GC WEFT_MEMLIMIT WEFT_IO WEFT_PROCS

# Checking ----------------------------------------------------------------------------------------------------------

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  printf -- '--- standard output\n%s\n--- standard error\n%s\n--- the server\n%s\n' "$(head -50 "$out")" \
    "$(head -50 "$err")" "$(head -50 "$said")" >&2
  exit 1
}

# run STATUS PROGRAM ARGS...: runs it, which must end with that status; leaves what it prints in $out and $err.
run() {
  local wanted=$1 status=0
  shift
  timeout 120 "$@" >"$out" 2>"$err" || status=$?
  ((status == wanted)) || fail "$*: status $status, expected $wanted"
}

expect_out() { grep -qE -- "$1" "$out" || fail "standard output should match: $1"; }
expect_err() { grep -qF -- "$1" "$err" || fail "standard error should contain: $1"; }
expect_said() { grep -qE -- "$1" "$said" || fail "the server should have printed: $1"; }

# start_server ARGS...: on a free port; its address is then in $address.
start_server() {
  "$server" --listen 127.0.0.1:0 "$@" >"$said" 2>&1 &
  server_process=$!
  local try
  for ((try = 0; try < 1000; ++try)); do
    address=$(sed -n 's/^listening on //p' "$said")
    if [[ -n $address ]]; then return; fi
    kill -0 "$server_process" 2>/dev/null || fail "the server has ended"
    sleep 0.02
  done
  fail "the server does not listen"
}

# stop_server SIGNAL: it must end with status 0.
stop_server() {
  local status=0
  kill "-$1" "$server_process"
  wait "$server_process" || status=$?
  server_process=
  ((status == 0)) || fail "the server ended with status $status after SIG$1"
}

# The cases -----------------------------------------------------------------------------------------------------------

case_everything_comes_back() {
  start_server
  run 0 "$load" --connections 20 --duration 200ms "$address"
  expect_out '^  requests     [1-9]'
  expect_out '^  errors       0$'
  run 0 "$load" --connections 3 --bytes 3000 --depth 16 --duration 200ms --brief "$address"
  expect_out '^[1-9][0-9]* [0-9.]+ [0-9.]+ [0-9.]+ [1-9][0-9]* 0$'
  stop_server INT
  expect_said '^  connections  23, 0 of them ended by an error$'
}

case_everything_comes_back_on_epoll() {
  export WEFT_IO=epoll
  case_everything_comes_back
}

case_idle_connections_stay_open() {
  start_server --processors 2
  run 0 "$load" --connections 2 --idle 200 --duration 100ms "$address"
  expect_out '^2 connections and 200 idle'
  stop_server TERM
  expect_said '^  connections  202, 0 of them ended by an error$'
}

case_the_server_ends_connections_that_are_open() {
  start_server
  "$load" --connections 10 --duration 60s --quiet "$address" >"$out" 2>"$err" &
  local client=$! status=0 try
  for ((try = 0; try < 1000; ++try)); do
    if (($(find "/proc/$server_process/fd" -mindepth 1 | wc -l) > 12)); then break; fi
    sleep 0.02
  done
  stop_server TERM
  wait "$client" || status=$?
  ((status == 1 || status == 2)) || fail "the client ended with status $status"
}

case_the_client_ends_by_a_signal() {
  start_server
  "$load" --connections 10 --warm-up 0s --duration 60s --quiet "$address" >"$out" 2>"$err" &
  local client=$! status=0 try
  for ((try = 0; try < 1000; ++try)); do
    if (($(find "/proc/$server_process/fd" -mindepth 1 | wc -l) > 12)); then break; fi
    sleep 0.02
  done
  kill -INT "$client"
  wait "$client" || status=$?
  ((status == 130)) || fail "the client ended with status $status"
  expect_out '^  errors       0$'
  stop_server INT
}

case_a_server_that_is_not_there_is_named() {
  start_server
  stop_server INT
  run 2 "$load" --duration 100ms "$address"
  expect_err "echo_load: connect to $address: "
}

case_an_address_in_use_is_named() {
  start_server
  run 2 "$server" --listen "$address"
  expect_err "echo_server: bind to $address: "
  stop_server INT
}

case_bad_arguments_are_refused() {
  run 2 "$server" --listen nonsense
  expect_err "echo_server: --listen: "
  run 2 "$server" --listen
  expect_err "--listen needs an address such as 127.0.0.1:7007 after it"
  run 2 "$server" --processors 0
  expect_err "--processors '0': expected a whole number from 1 to 1024"
  run 2 "$server" 127.0.0.1:7007
  expect_err "'127.0.0.1:7007' is no option, and nothing else is expected"
  run 2 "$server" --fast
  expect_err "there is no option '--fast'"
  run 2 "$load" --connections many
  expect_err "--connections 'many': expected a whole number from 0 to 100000"
  run 2 "$load" --duration soon
  expect_err "--duration 'soon': expected a time from 1ms to 24h"
  run 2 "$load" --bytes 65536 --depth 2
  expect_err "together at most 65536 bytes may be under way on a connection"
  run 2 "$load" --connections 0
  expect_err "--connections 0 without --idle leaves nothing to do"
  run 2 "$load" 127.0.0.1
  expect_err "127.0.0.1"
  run 2 "$load" 127.0.0.1:1 127.0.0.1:2
  expect_err "'127.0.0.1:2': there is an address already"
}

case_help_is_printed() {
  run 0 "$server" --help
  expect_out '^usage: echo_server'
  run 0 "$load" -h
  expect_out '^usage: echo_load'
}

# Running -------------------------------------------------------------------------------------------------------------

if [[ ${1-} == --list ]]; then
  sed -n 's/^case_\([a-z0-9_]*\)().*/\1/p' "${BASH_SOURCE[0]}"
  exit
fi
if (($# != 2)) || ! declare -F "case_$2" >/dev/null; then
  echo "usage: echo_test.sh ECHO_SERVER CASE" >&2
  exit 2
fi
server=$(realpath "$1")
load=$(dirname "$server")/echo_load
work=$(mktemp -d)
out=$work/out err=$work/err said=$work/said
touch "$out" "$err" "$said"
server_process=
trap '[[ -z $server_process ]] || kill -KILL "$server_process" 2>/dev/null || true; rm -rf "$work"' EXIT
"case_$2"
