#!/usr/bin/env bash
# Runs echo_server and echo_load against each other over loopback: checks that every message came back as it was sent,
# that the server saw every connection, and that both end well.
#
#   samples/echo/demo.sh ECHO_SERVER ECHO_LOAD
#
# Exits with 0 when everything came back and both ended well, 1 when not, 2 when there is nothing to run.
set -euo pipefail
export LC_ALL=C

if (($# != 2)) || [[ ! -x $1 || ! -x $2 ]]; then
  echo "usage: samples/echo/demo.sh ECHO_SERVER ECHO_LOAD" >&2
  exit 2
fi
server=$1 load=$2

bold= green= red= plain=
if [[ -t 1 ]]; then bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; fi

work=$(mktemp -d)
process=
trap '[[ -z $process ]] || kill "$process" 2>/dev/null || true; rm -rf "$work"' EXIT

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
give_up() {
  printf '%s%s%s\n' "$red" "$1" "$plain"
  cat "$work/server" "$work/figures" 2>/dev/null || true
  exit 1
}

title "echo_server --listen 127.0.0.1:0"
"$server" --listen 127.0.0.1:0 >"$work/address" 2>"$work/server" &
process=$!
for ((try = 0; try < 500; ++try)); do
  address=$(sed -n 's/^listening on //p' "$work/address")
  if [[ -n $address ]]; then break; fi
  kill -0 "$process" 2>/dev/null || give_up "The server has ended."
  sleep 0.02
done
[[ -n $address ]] || give_up "The server does not listen."
cat "$work/address"

# put_load CONNECTIONS BYTES ARGS...: the client compares what comes back with what it has sent.
put_load() {
  local count=$1 size=$2
  shift 2
  title "echo_load --connections $count --bytes $size $* $address"
  "$load" --connections "$count" --bytes "$size" "$@" "$address" 2>"$work/figures" || give_up "The client failed."
  cat "$work/figures"
}

put_load 1 64 --duration 500ms
put_load 100 64 --duration 1s
put_load 10 1024 --depth 16 --duration 500ms
put_load 10 64 --idle 500 --duration 300ms

title "SIGTERM"
status=0
kill -TERM "$process"
wait "$process" || status=$?
process=
cat "$work/server"
((status == 0)) || give_up "The server ended with status $status."
grep -q '^  connections  621, 0 of them ended by an error$' "$work/server" ||
  give_up "The server should have had 621 connections, and no errors."
printf '\n%sEvery message came back as it was sent, and both ended well.%s\n' "$green" "$plain"
