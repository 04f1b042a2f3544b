#!/usr/bin/env bash
# Compares the sample httpd with Go's net/http file server and with nginx: wrk asks each for the same file in turns.
#
# One round runs wrk once against every server and file; the rounds follow one another and each begins with another
# server, so that a disturbance of the machine spreads over all rows. Besides the requests per second, which on a small
# machine depend on what is left for wrk, it counts the processor time that the server itself took for a request.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'END'
usage: bench/http.sh [OPTIONS]

  --rounds N            (default 5)
  --seconds N           of each run of wrk (default 2)
  --connections N       (default 100)
  --threads N           processors of each server (default 2)
  --sizes "BYTES ..."   files to ask for (default "1024 65536")
  --build DIR           the build folder (default build/release)
  --only "NAME ..."     only these servers (default: all that are there)
  --raw FILE            also keep every single figure in FILE, tab separated

Servers: weft (the sample httpd with its defaults), weft_uncached (it opens and reads the file for each request), go,
nginx (sendfile on, access log off), nginx_cached (with open_file_cache as well).
To build:  cmake --build build/release --target httpd peer_go_httpd;  Debian packages: wrk, nginx-light
END
}

die() {
  printf 'bench/http.sh: %s\n' "$1" >&2
  exit 2
}

rounds=5 seconds=2 connections=100 threads=2 sizes="1024 65536" build=build/release only= raw=
while (($# > 0)); do
  case $1 in
    --rounds | --seconds | --connections | --threads | --sizes | --build | --only | --raw)
      (($# > 1)) || die "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift
      ;;
    -h | --help)
      usage
      exit
      ;;
    *) die "there is no option '$1' (--help)" ;;
  esac
  shift
done
for n in rounds seconds connections threads; do
  [[ ${!n} =~ ^[1-9][0-9]*$ ]] || die "--$n wants a number from 1, not '${!n}'"
done
command -v wrk >/dev/null || die "wrk is not there (Debian: wrk)"

# Servers -----------------------------------------------------------------------------------------------------------

work=$(mktemp -d)
pids=()
clean_up() {
  ((${#pids[@]} == 0)) || kill -s TERM "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap clean_up EXIT
mkdir "$work/root"
for size in $sizes; do head -c "$size" /dev/urandom >"$work/root/$size.bin"; done

names=()
declare -A url pid

# announce NAME COMMAND...: starts a server that prints its address on its first line.
announce() {
  local name=$1
  shift
  "$@" >"$work/$name.out" 2>"$work/$name.err" &
  pid[$name]=$!
  pids+=($!)
  until [[ -s $work/$name.out ]]; do
    kill -0 "${pid[$name]}" 2>/dev/null || die "$name did not start: $(cat "$work/$name.err")"
    sleep 0.05
  done
  url[$name]=$(grep -o 'http://[^ ]*' "$work/$name.out" | head -1)
  names+=("$name")
}

# start_nginx NAME PORT DIRECTIVE...
start_nginx() {
  local name=$1 port=$2
  shift 2
  mkdir "$work/$name"
  cat >"$work/$name.conf" <<END
daemon off;
worker_processes $threads;
pid $work/$name/pid;
error_log $work/$name.err;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  default_type application/octet-stream;
  client_body_temp_path $work/$name/body;
  proxy_temp_path $work/$name/proxy;
  fastcgi_temp_path $work/$name/fastcgi;
  uwsgi_temp_path $work/$name/uwsgi;
  scgi_temp_path $work/$name/scgi;
  $*
  server { listen 127.0.0.1:$port; root $work/root; }
}
END
  chmod -R a+rX "$work"
  nginx -c "$work/$name.conf" 2>"$work/$name.err" &
  pid[$name]=$!
  pids+=($!)
  url[$name]=http://127.0.0.1:$port/
  local tries=0
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    ((++tries < 100)) || die "nginx did not start: $(cat "$work/$name.err")"
    sleep 0.05
  done
  names+=("$name")
}

wanted() { [[ -z $only || " $only " == *" $1 "* ]]; }

httpd=$build/samples/httpd go_httpd=$build/bench/peers/peer_go_httpd
export PATH=$PATH:/usr/sbin
for server in weft weft_uncached go nginx nginx_cached; do
  wanted "$server" || continue
  case $server in
    weft) [[ ! -x $httpd ]] || WEFT_PROCS=$threads announce weft "$httpd" --listen 127.0.0.1:0 "$work/root" ;;
    weft_uncached)
      [[ ! -x $httpd ]] ||
        WEFT_PROCS=$threads announce weft_uncached "$httpd" --listen 127.0.0.1:0 --cache-time 0 "$work/root"
      ;;
    go) [[ ! -x $go_httpd ]] || GOMAXPROCS=$threads announce go "$go_httpd" 127.0.0.1:0 "$work/root" ;;
    nginx) ! command -v nginx >/dev/null || start_nginx nginx $((20000 + RANDOM % 10000)) ;;
    nginx_cached)
      ! command -v nginx >/dev/null || start_nginx nginx_cached $((20000 + RANDOM % 10000)) \
        "open_file_cache max=1000 inactive=20s; open_file_cache_valid 1s;"
      ;;
  esac
done
((${#names[@]} > 0)) || die "there is no server to measure; see --help"

# Measuring ---------------------------------------------------------------------------------------------------------

# cpu_ticks PID: processor time of a process and its children so far, in clock ticks.
cpu_ticks() {
  local p sum=0 stat
  for p in "$1" $(pgrep -P "$1" || true); do
    stat=$(<"/proc/$p/stat")
    set -- ${stat##*) }  # unquoted: its fields
    sum=$((sum + ${12} + ${13}))
  done
  echo "$sum"
}

ticks_per_second=$(getconf CLK_TCK)
figures=$work/figures
: >"$figures"

# measure NAME SIZE
measure() {
  local name=$1 size=$2 before after
  before=$(cpu_ticks "${pid[$name]}")
  wrk -t1 -c"$connections" -d"${seconds}s" --latency "${url[$name]}$size.bin" >"$work/wrk" || die "wrk failed: $name"
  after=$(cpu_ticks "${pid[$name]}")
  if grep -qE 'Non-2xx|Socket errors' "$work/wrk"; then
    die "$name: $(grep -E 'Non-2xx|Socket errors' "$work/wrk")"
  fi
  awk -v name="$name" -v size="$size" -v ticks=$((after - before)) -v per_second="$ticks_per_second" '
    function ms(t) { return t ~ /us$/ ? t / 1000 : t ~ /ms$/ ? t + 0 : t * 1000 }
    /requests in/ { requests = $1 }
    /^Requests\/sec/ { rate = $2 }
    / 99%/ { p99 = ms($2) }
    END { printf "%s\t%s\t%.0f\t%.2f\t%.2f\n", name, size, rate, 1e6 * ticks / per_second / requests, p99 }' \
    "$work/wrk" >>"$figures"
}

for ((round = 0; round < rounds; ++round)); do
  for size in $sizes; do
    for ((i = 0; i < ${#names[@]}; ++i)); do
      measure "${names[$(((i + round) % ${#names[@]}))]}" "$size"
    done
  done
done

# Telling -----------------------------------------------------------------------------------------------------------

[[ -z $raw ]] || cp "$figures" "$raw"
# median NAME SIZE COLUMN
median() {
  awk -F'\t' -v n="$1" -v s="$2" -v c="$3" '$1 == n && $2 == s { print $c }' "$figures" | sort -g |
    awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
printf '%s connections, wrk with one thread, servers with %s; medians of %s rounds of %s s\n' \
  "$connections" "$threads" "$rounds" "$seconds"
for size in $sizes; do
  printf '\n%s bytes\n%-14s %12s %8s %16s %10s\n' "$size" server requests/s ratio "µs CPU/request" "p99, ms"
  reference=$(median "${names[0]}" "$size" 3)
  for name in "${names[@]}"; do
    rate=$(median "$name" "$size" 3)
    printf '%-14s %12.0f %8.2f %16.2f %10.2f\n' "$name" "$rate" "$(awk "BEGIN { print $reference / $rate }")" \
      "$(median "$name" "$size" 4)" "$(median "$name" "$size" 5)"
  done
done
printf '\nratio: what %s serves to what this one serves\n' "${names[0]}"
