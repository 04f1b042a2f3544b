#!/usr/bin/env bash
# Runs httpd on small generated trees, asks it for files with curl and http_probe, and checks answers and endings.
#
#   HTTP_PROBE=http_probe httpd_test.sh HTTPD CASE        runs one case, each a function case_<CASE> below
#   httpd_test.sh --list                                  names the cases
#
# With HTTPD_TEST_IO=epoll the server runs on that back end.
set -euo pipefail
export LC_ALL=C
unset WEFT_DEBUG WEFT_GC WEFT_MEMLIMIT WEFT_IO

# Checking ----------------------------------------------------------------------------------------------------------

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  printf -- '--- standard output\n%s\n--- standard error\n%s\n' "$(head -c 4000 "$out")" "$(head -50 "$err")" >&2
  printf -- '--- the server\n%s\n' "$(tail -50 "$log" 2>/dev/null)" >&2
  exit 1
}

# start ARGS...: starts the server on a free port of this machine; sets $at (HOST:PORT) and $server.
start() {
  : >"$announced"
  WEFT_IO=${HTTPD_TEST_IO:-uring} "$httpd" --listen 127.0.0.1:0 "$@" >"$announced" 2>"$log" &
  server=$!
  until [[ -s $announced ]]; do
    kill -0 "$server" 2>/dev/null || fail "the server did not start"
    sleep 0.01
  done
  at=$(sed -nE 's|.* on http://([^/]*)/$|\1|p' "$announced")
}

# stop STATUS: ends the server, which must end with that status.
stop() {
  kill -TERM "$server"
  ended "$1"
}
ended() {
  local status=0
  wait "$server" || status=$?
  server=
  ((status == $1)) || fail "the server ended with status $status, expected $1"
}

# get ARGS...: runs curl; what it prints is in $out.
get() { curl --silent --show-error --max-time 60 "$@" >"$out" 2>"$err" || fail "curl $*: status $?"; }

# send PIECE...: see http_probe.cc.
send() { timeout 60 "$HTTP_PROBE" send "$at" "$@" >"$out" 2>"$err" || fail "http_probe send: status $?"; }

# hold CONNECTIONS [PATH]: keeps connections open, until let_go; `held` then says how many the server has closed.
hold() {
  mkfifo hold
  "$HTTP_PROBE" hold "$at" "$@" <hold >held &
  holder=$!
  exec 5>hold
  until [[ -s held ]]; do
    kill -0 "$holder" 2>/dev/null || fail "a connection was not answered"
    sleep 0.01
  done
}
let_go() {
  exec 5>&-
  wait "$holder"
}

expect_out() { grep -qF -- "$1" "$out" || fail "the answer should contain: $1"; }
expect_status() { [[ $(head -1 "$out") == "HTTP/1.1 $1 "* ]] || fail "the status should be $1"; }
expect_log() { grep -qE -- "$1" "$log" || fail "the report should match: $1"; }
expect_err() { grep -qF -- "$1" "$err" || fail "standard error should contain: $1"; }

# until_report REGEX: asks the server for its report again and again until it says so.
until_report() {
  local tries
  for ((tries = 0; tries < 3000; ++tries)); do
    kill -USR1 "$server" 2>/dev/null || fail "the server has ended"
    if grep -qE -- "$1" "$log"; then return; fi
    sleep 0.01
  done
  fail "the report should say at last: $1"
}

make_tree() {
  mkdir -p tree/sub tree/listed/below tree/.git
  echo '<h1>top</h1>' >tree/index.html
  echo '<h1>sub</h1>' >tree/sub/index.html
  echo 'some text, not long' >tree/text.txt
  echo secret >tree/.git/config
  echo 'a & b' >'tree/listed/a & b.txt'
  head -c 1024 /dev/urandom >tree/small.bin
  head -c 3000000 /dev/urandom >tree/big.bin
  : >tree/empty
}

# More than the sockets hold.
make_huge() { head -c 40000000 /dev/urandom >tree/huge.bin; }

# Cases: files ------------------------------------------------------------------------------------------------------

case_files_come_whole() {
  make_tree
  start tree
  local f
  for f in small.bin big.bin text.txt empty sub/index.html; do
    get "http://$at/$f"
    cmp -s "$out" "tree/$f" || fail "$f is not what came"
  done
  get "http://$at/" "http://$at/sub/" "http://$at/?query"
  [[ $(<"$out") == $'<h1>top</h1>\n<h1>sub</h1>\n<h1>top</h1>' ]] || fail "a directory's index.html"
  get -L "http://$at/sub"
  expect_out "<h1>sub</h1>"
  get --head "http://$at/big.bin"
  expect_status 200
  expect_out "Content-Length: 3000000"
  get --include "http://$at/text.txt"
  expect_out "Content-Type: text/plain; charset=utf-8"
  stop 0
  expect_log 'answers +[0-9]+ answers'
}

case_names_are_decoded_and_lists_escaped() {
  make_tree
  start tree
  get "http://$at/listed/"
  expect_out '<a href="./a%20%26%20b.txt">a &amp; b.txt</a>'
  expect_out '<a href="./below/">below/</a>'
  get "http://$at/%6Cisted//./a%20%26%20b.txt"
  expect_out 'a & b'
  stop 0
}

case_nothing_outside_the_root_is_served() {
  make_tree
  echo outside >outside.txt
  ln -s ../outside.txt tree/leads_out
  ln -s "$PWD/tree/text.txt" tree/absolute
  ln -s text.txt tree/inside
  ln -s circle tree/circle
  ln -s .. tree/up
  mkfifo tree/fifo
  start tree
  local path
  for path in leads_out absolute circle up/outside.txt up/ .git/config .git/ %2egit/config text.txt/ \
    "$(printf '%0300d' 0)"; do
    get --path-as-is --include "http://$at/$path"
    expect_status 404
  done
  for path in ../outside.txt sub/../../outside.txt %2e%2e/outside.txt ..%2foutside.txt text%00.txt %zz text%2; do
    get --path-as-is --include "http://$at/$path"
    expect_status 400
  done
  get --include "http://$at/fifo"
  expect_status 403
  get "http://$at/inside"
  expect_out "some text"
  stop 0
}

case_ranges_are_parts_of_the_file() {
  make_tree
  start tree
  local range first bytes
  for range in 0-0 0-99 1000000-2000000 2999999- 2999990-4000000 -1 -70000 -4000000; do
    get --range "$range" "http://$at/big.bin"
    case $range in
      -*) bytes=${range#-} first=$((bytes > 3000000 ? 0 : 3000000 - bytes)) ;;
      *-) first=${range%-} bytes=3000000 ;;
      *) first=${range%-*} bytes=$((${range#*-} - first + 1)) ;;
    esac
    cmp -s "$out" <(tail -c +$((first + 1)) tree/big.bin | head -c "$bytes") || fail "range $range"
  done
  get --include --range 0-4 "http://$at/text.txt"
  expect_status 206
  expect_out "Content-Range: bytes 0-4/20"
  [[ $(tail -c 5 "$out") == "some " ]] || fail "five bytes"
  get --include --range 20- "http://$at/text.txt"
  expect_status 416
  expect_out "Content-Range: bytes */20"
  # Several ranges, or what is none: the whole file.
  for range in 0-1,5-6 5-2 x; do
    get --include --header "Range: bytes=$range" "http://$at/text.txt"
    expect_status 200
    expect_out "some text, not long"
  done
  get --include --range 0-4 --header 'If-Range: "another"' "http://$at/text.txt"
  expect_status 200
  stop 0
}

case_unchanged_files_are_not_sent_again() {
  make_tree
  start tree
  get --include "http://$at/text.txt"
  local tag date
  tag=$(sed -nE 's/^ETag: (.*)\r$/\1/p' "$out") date=$(sed -nE 's/^Last-Modified: (.*)\r$/\1/p' "$out")
  get --include --header "If-None-Match: \"x\", $tag" "http://$at/text.txt"
  expect_status 304
  get --include --header "If-None-Match: \"x\"" --header "If-Modified-Since: $date" "http://$at/text.txt"
  expect_status 200
  get --include --header "If-Modified-Since: $date" "http://$at/text.txt"
  expect_status 304
  get --include --header "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT" "http://$at/text.txt"
  expect_status 200
  get --include --range 0-3 --header "If-Range: $tag" "http://$at/text.txt"
  expect_status 206
  stop 0
}

case_a_changed_file_is_seen() {
  make_tree
  local time
  for time in 0 20; do
    start --cache-time "$time" tree
    get "http://$at/text.txt"
    echo "changed $time" >tree/text.txt
    local tries
    for ((tries = 0; tries < 1000; ++tries)); do
      get "http://$at/text.txt"
      if [[ $(<"$out") == "changed $time" ]]; then break; fi
      ((time > 0)) || fail "a change should be seen at once"
      sleep 0.01
    done
    expect_out "changed $time"
    rm tree/text.txt
    until [[ $(curl -s -o /dev/null -w '%{http_code}' "http://$at/text.txt") == 404 ]]; do sleep 0.01; done
    echo text >tree/text.txt
    stop 0
  done
}

# Cases: connections ------------------------------------------------------------------------------------------------

case_a_connection_serves_many_requests() {
  make_tree
  start tree
  get "http://$at/text.txt" "http://$at/big.bin" "http://$at/nothing" "http://$at/text.txt"
  stop 0
  expect_log 'connections +1 in all'
  expect_log '4 answers, 3 x 2xx, 1 x 4xx'
}

case_old_clients_keep_a_connection_if_they_ask() {
  make_tree
  start tree
  send 'GET /text.txt HTTP/1.0\r\n\r\n'
  expect_out "Connection: close"
  send 'GET /text.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n' +wait 'GET /sub/ HTTP/1.0\r\n\r\n'
  expect_out "Connection: keep-alive"
  expect_out "<h1>sub</h1>"
  stop 0
}

case_an_upgrade_is_not_taken_up() {
  make_tree
  start tree
  local fields='Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'
  send "GET /text.txt HTTP/1.1\r\n$fields" "GET /sub/ HTTP/1.1\r\n$fields" +half
  (($(grep -c '^HTTP/1.1 200' "$out") == 2)) || fail "two answers"
  expect_out "<h1>sub</h1>"
  stop 0
}

case_pipelined_requests_are_answered_in_order() {
  make_tree
  start tree
  local one='GET /text.txt HTTP/1.1\r\nHost: x\r\n\r\n' two='HEAD /big.bin HTTP/1.1\r\nHost: x\r\n\r\n'
  local three='GET /sub/ HTTP/1.1\r\nHost: x\r\n\r\n' last='GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  send "$one$two$three$one$last$one"
  (($(grep -c '^HTTP/1.1 200' "$out") == 5)) || fail "five answers, and none to what follows the last request"
  [[ $(grep -aE '^(some|<h1>)' "$out" | tr '\n' ' ') == \
    'some text, not long <h1>sub</h1> some text, not long <h1>top</h1> ' ]] || fail "in the order of the requests"
  stop 0
}

case_a_client_that_closes_its_direction_gets_its_answers() {
  make_tree
  make_huge
  start tree
  send 'GET /text.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n' +half
  (($(wc -c <"$out") > 40000000)) || fail "both answers"
  expect_out "some text"
  send +half
  [[ ! -s $out ]] || fail "no answer without a request"
  stop 0
}

case_bytes_that_trickle_are_a_request_too() {
  make_tree
  start tree
  send +trickle 'GET /text.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\nConnection: close\r\n\r\n'
  expect_status 206
  [[ $(tail -c 4 "$out") == some ]] || fail "four bytes"
  stop 0
}

case_many_requests_at_once() {
  make_tree
  start tree
  local f
  for f in small.bin text.txt; do
    timeout 120 "$HTTP_PROBE" load "$at" "/$f" "tree/$f" 50 1000 >"$out" 2>"$err" || fail "status $?"
    expect_out "1000 good answers"
  done
  timeout 120 "$HTTP_PROBE" load "$at" /big.bin tree/big.bin 10 50 >"$out" 2>"$err" || fail "status $?"
  expect_out "50 good answers"
  stop 0
  expect_log '2,050 answers, 2,050 x 2xx'
}

# Cases: limits -----------------------------------------------------------------------------------------------------

case_what_is_refused_gets_an_answer_and_a_closed_connection() {
  make_tree
  start --max-head 1024 --max-line 200 --max-fields 5 tree
  local long fields='' i
  long=$(printf '%0250d' 0)
  for i in 1 2 3 4 5; do fields+="X-$i: y\r\n"; done
  refuse() { # STATUS PIECE...
    local status=$1
    shift
    send "$@"
    expect_status "$status"
    expect_out "Connection: close"
    (($(grep -c '^HTTP/' "$out") == 1)) || fail "one answer only"
  }
  local next='GET /text.txt HTTP/1.1\r\nHost: x\r\n\r\n'
  refuse 414 "GET /$long HTTP/1.1\r\nHost: x\r\n\r\n$next"
  refuse 431 "GET / HTTP/1.1\r\nHost: x\r\nX: $long$long$long$long$long\r\n\r\n$next"
  refuse 431 "GET / HTTP/1.1\r\nHost: x\r\nX: $long$long$long$long$long"
  refuse 431 "GET / HTTP/1.1\r\nHost: x\r\n$fields\r\n$next"
  refuse 413 "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello$next"
  refuse 411 "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$next"
  refuse 405 "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
  expect_out "Allow: GET, HEAD"
  refuse 405 "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"
  refuse 501 "BREW / HTTP/1.1\r\nHost: x\r\n\r\n"
  refuse 505 "GET / HTTP/2.0\r\nHost: x\r\n\r\n"
  refuse 400 "GET / HTTP/1.1\r\n\r\n"
  refuse 400 "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"
  refuse 400 "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n$next"
  refuse 400 "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n$next"
  get --include --data "$(printf '%01000d' 0)" "http://$at/"
  expect_status 405
  stop 0
}

case_garbage_is_refused() {
  make_tree
  start tree
  local piece
  for piece in '\r\n\r\n\r\nxyz\r\n\r\n' '\0\0\0\0' 'GET' ' ' 'GET / HTTP/1.1\0\r\n\r\n' 'GET /\0 HTTP/1.1\r\n\r\n' \
    'GET / HTTP/1.1\r\nno colon\r\n\r\n' 'HTTP/1.1 200 OK\r\n\r\n'; do
    send "$piece" +half
    if [[ -s $out ]]; then expect_out "Connection: close"; fi
  done
  # A client that wants TLS, and noise.
  local i
  for ((i = 0; i < 20; ++i)); do
    { printf '\x16\x03\x01\x02\x00\x01\x00' && head -c 3000 /dev/urandom; } >"/dev/tcp/${at%:*}/${at#*:}" || true
    head -c 3000 /dev/urandom >"/dev/tcp/${at%:*}/${at#*:}" || true
  done
  get "http://$at/text.txt"
  expect_out "some text"
  stop 0
}

case_further_connections_wait_at_the_limit() {
  make_tree
  start --max-connections 3 tree
  hold 3
  curl --silent --max-time 60 "http://$at/text.txt" >got 5>&- &
  local client=$!
  until_report 'paused [1-9][0-9]* times? at the limit'
  [[ ! -s got ]] || fail "there is no room for a fourth connection"
  let_go
  wait "$client" || fail "curl: status $?"
  cmp -s got tree/text.txt || fail "the fourth one is served when there is room"
  stop 0
  expect_log 'at most 3 at once'
}

case_running_out_of_descriptors_costs_idle_connections() {
  make_tree
  [[ -z ${WEFT_TEST_SANITIZED:-} ]] || return 0  # sanitizers open files of their own
  ulimit -S -n 40
  # With another one an answer could run where no I/O was done before, for which no descriptors would be left.
  WEFT_PROCS=1 start tree
  ulimit -S -n "$(ulimit -H -n)"
  hold 60 /text.txt
  get "http://$at/text.txt"
  expect_out "some text"
  let_go
  grep -qE '^[1-9][0-9]* closed' held || fail "some are closed"
  until_report '[1-9][0-9]* idle ones for want of descriptors'
  ! grep -qE '(^| )- ' "$log" || fail "the report should have a value for every figure"
  stop 0
}

# Cases: times ------------------------------------------------------------------------------------------------------

case_idle_connections_are_closed() {
  make_tree
  start --idle-timeout 100 --head-timeout 100 tree
  send 'GET /text.txt HTTP/1.1\r\nHost: x\r\n\r\n'
  expect_out "some text"
  send
  stop 0
  expect_log 'closed +2 for their time was over'
}

case_a_head_that_never_ends_is_not_waited_for() {
  make_tree
  start --head-timeout 100 tree
  send 'GET / HTTP/1.1\r\nHost: x\r\n'
  [[ ! -s $out ]] || fail "no answer"
  # Something comes all the time, but not enough.
  send +trickle "GET / HTTP/1.1\r\nHost: x\r\nX: $(printf '%05000d' 0)"
  [[ ! -s $out ]] || fail "no answer"
  stop 0
  expect_log 'closed +2 for their time was over'
}

case_a_client_that_does_not_read_is_not_waited_for() {
  make_tree
  make_huge
  start --write-timeout 100 tree
  exec 4<>"/dev/tcp/${at%:*}/${at#*:}"
  printf 'GET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n' >&4
  until_report 'closed +1 for'
  exec 4>&-
  stop 0
}

# Cases: the end ----------------------------------------------------------------------------------------------------

case_a_download_is_finished_before_the_end() {
  make_tree
  make_huge
  start tree
  hold 5 /text.txt
  curl --silent --limit-rate 20M "http://$at/huge.bin" >got 5>&- &
  local client=$!
  until [[ -s got ]]; do sleep 0.01; done
  kill -TERM "$server"
  # Meanwhile nobody else is let in.
  while curl --silent --max-time 10 -o /dev/null "http://$at/text.txt"; do sleep 0.01; done
  wait "$client" || fail "curl: status $?"
  cmp -s got tree/huge.bin || fail "the download is not whole"
  ended 0
  let_go
  grep -q '^5 closed' held || fail "idle connections are closed at once"
}

case_the_end_waits_only_so_long() {
  make_tree
  make_huge
  start --drain 100 tree
  exec 4<>"/dev/tcp/${at%:*}/${at#*:}"
  printf 'GET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n' >&4
  read -r -u 4
  stop 1
  exec 4>&-
  expect_log 'connections were cut'
}

case_a_second_signal_ends_it_at_once() {
  make_tree
  make_huge
  start --drain 86400000 --write-timeout 86400000 tree
  exec 4<>"/dev/tcp/${at%:*}/${at#*:}"
  printf 'GET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n' >&4
  read -r -u 4
  # One that comes before the first is taken counts with it.
  while kill -INT "$server" 2>/dev/null; do sleep 0.02; done
  ended 1
  exec 4>&-
}

case_a_request_under_way_is_answered_at_the_end() {
  make_tree
  start --drain 60000 tree
  exec 4<>"/dev/tcp/${at%:*}/${at#*:}"
  printf 'GET /text.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /text.txt HT' >&4
  read -r -u 4
  kill -TERM "$server"
  while curl --silent --max-time 10 -o /dev/null "http://$at/text.txt"; do sleep 0.01; done
  printf 'TP/1.1\r\nHost: x\r\n\r\nGET /text.txt HTTP/1.1\r\nHost: x\r\n\r\n' >&4
  cat <&4 >"$out"
  (($(grep -c '^some text' "$out") == 2)) || fail "the second request has begun, and is answered; the third is not"
  (($(grep -c '^Connection: close' "$out") == 1)) || fail "the last answer says so"
  exec 4>&-
  ended 0
}

case_reports_while_it_runs() {
  make_tree
  start tree
  get "http://$at/text.txt"
  until_report '1 answer, 1 x 2xx'
  expect_log 'processors +[0-9]+'
  get "http://$at/text.txt"
  until_report '2 answers, 2 x 2xx'
  stop 0
  start --quiet tree
  stop 0
  [[ ! -s $log ]] || fail "quiet means no report"
}

# Cases: arguments --------------------------------------------------------------------------------------------------

# run STATUS ARGS...: runs the server, which must end by itself with that status.
run() {
  local wanted=$1 status=0
  shift
  timeout 60 "$httpd" "$@" >"$out" 2>"$err" || status=$?
  ((status == wanted)) || fail "httpd $*: status $status, expected $wanted"
}

case_bad_arguments() {
  make_tree
  run 2
  expect_err "httpd: nothing to serve: name a directory"
  run 2 absent
  expect_err "httpd: absent: No such file or directory"
  run 2 tree/text.txt
  expect_err "httpd: tree/text.txt: Not a directory"
  run 2 tree tree
  expect_err "one directory only"
  run 2 --listen nowhere tree
  expect_err "nowhere"
  run 2 --listen
  expect_err "--listen needs an address and port after it"
  run 2 --max-connections 0 tree
  expect_err "--max-connections '0': expected a whole number from 1 to 100000"
  run 2 --idle-timeout 1s tree
  expect_err "--idle-timeout '1s': expected a whole number from 1 to 86400000"
  run 2 --wrong tree
  expect_err "there is no option '--wrong'"
  run 2 --quiet=yes tree
  expect_err "--quiet takes no value"
  WEFT_PROCS=none run 2 tree
  expect_err "WEFT_PROCS"
  start tree
  run 2 --listen "$at" tree
  expect_err "Address already in use"
  stop 0
}

case_help() {
  run 0 --help
  [[ $(<"$out") == *"usage: httpd"*"exit status"* ]] || fail "the help text is not complete"
  local option
  for option in --listen --max-connections --max-line --max-head --max-fields --idle-timeout --head-timeout \
    --write-timeout --drain --cache-time --cache-bytes --quiet; do
    grep -q -- "$option" "$out" || fail "the help text does not name $option"
  done
}

# Running -----------------------------------------------------------------------------------------------------------

if [[ ${1-} == --list ]]; then
  declare -F | sed -n 's/^declare -f case_//p'
  exit
fi
httpd=$(realpath "$1")
work=$(mktemp -d)
server=
clean_up() {
  if [[ -n $server ]]; then kill -s KILL "$server" && wait "$server" 2>/dev/null; fi || true
  rm -rf "$work"
}
trap clean_up EXIT
out=$work/out
err=$work/err
log=$work/log
announced=$work/announced
: >"$out" && : >"$err"
mkdir "$work/files"
cd "$work/files"
"case_$2"
