#!/usr/bin/env bash
# Compares echo servers: weft's, and those of bench/peers that are built. Each runs on one processor, the client
# (echo_load, the same for all) on another one, over loopback.
#
# One round runs every server once at each number of connections, in fresh processes; the rounds follow one another, so
# that a disturbance of the machine spreads over all of them. The table has medians, and means of processor times;
# ratios to another server are taken round by round, and are medians of those. docs/echo.md explains it.
#
# The part "turns" is for servers that are close to each other: all of a round are open at once, each with a client of
# its own, and the clients take turns of 100 ms, for which they are stopped and continued. What changes on the machine
# within seconds meets all of them alike, and rounds tell how much one start of a process differs from the next.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'END'
usage: bench/echo.sh [OPTIONS]

  --rounds N           (default 5)
  --build DIR          the build folder, with samples and peers built (default build/release)
  --connections LIST   such as "1 100", the default
  --duration TIME      of each run, such as 2s (the default) or 800ms
  --bytes N            of a message (default 64)
  --servers LIST       such as "weft uring go"; default: all that are built. weft_epoll is weft's on epoll
  --cpus SERVER,CLIENT processors to run on (default 0,1)
  --idle N             connections that are open while the memory is measured (default 10000)
  --parts LIST         of "speed calls idle", the default: times, system calls, memory; or "turns": speed once more,
                       all servers in turns of 100 ms (say --rounds 16 --connections 100)
  --raw FILE           also keep every figure in FILE, tab separated
  --help               show this text

To build everything: cmake --build build/release --target echo_server echo_load peers
END
}

die() {
  printf 'bench/echo.sh: %s\n' "$1" >&2
  exit 2
}

rounds=5 build=build/release connections="1 100" duration=2s bytes=64 servers= cpus=0,1 idle=10000 raw=
parts="speed calls idle"
while (($# > 0)); do
  case $1 in
    -h | --help) usage && exit ;;
    --rounds | --build | --connections | --duration | --bytes | --servers | --cpus | --idle | --parts | --raw)
      (($# > 1)) || die "$1 needs a value"
      name=${1#--}
      printf -v "$name" '%s' "$2"
      shift 2
      ;;
    *) die "there is no option '$1' (--help)" ;;
  esac
done
[[ $rounds =~ ^[1-9][0-9]*$ ]] || die "--rounds wants a number from 1, not '$rounds'"
has() { [[ " $parts " == *" $1 "* ]]; }
for part in $parts; do
  [[ $part =~ ^(speed|calls|idle|turns)$ ]] || die "--parts: there is no part '$part', but speed, calls, idle and turns"
done
[[ $idle =~ ^[0-9]+$ ]] || die "--idle wants a number, not '$idle'"
[[ $cpus =~ ^[0-9]+,[0-9]+$ ]] || die "--cpus wants two numbers such as 0,1, not '$cpus'"
server_cpu=${cpus%,*} client_cpu=${cpus#*,}
load=$build/samples/echo_load
[[ -x $load && -x $build/samples/echo_server ]] || die "$load and echo_server are not built (--help)"

program_of() {
  case $1 in
    weft | weft_epoll) echo "$build/samples/echo_server" ;;
    *) echo "$build/bench/peers/peer_echo_$1" ;;
  esac
}

names=()
for name in ${servers:-weft weft_epoll uring epoll asio go tokio}; do
  if [[ -x $(program_of "$name") ]]; then
    names+=("$name")
  elif [[ -n $servers ]]; then
    die "$(program_of "$name") is not built (--help)"
  fi
done

turn_ms=100
[[ $duration =~ ^([1-9][0-9]*)(ms|s)$ ]] || die "--duration wants a time such as 2s or 800ms, not '$duration'"
duration_ms=${BASH_REMATCH[1]}
[[ ${BASH_REMATCH[2]} == ms ]] || duration_ms+=000

work=$(mktemp -d)
server=
open=()  # in turns: servers and clients
trap '[[ -z $server ]] || kill "$server" 2>/dev/null; ((${#open[@]} == 0)) || kill -KILL "${open[@]}" 2>/dev/null
  rm -rf "$work"' EXIT
port=$((20000 + $$ % 10000))
figures=$work/figures
: >"$figures"

# start NAME: leaves the process in $server.
start() {
  local program try
  program=$(program_of "$1")
  port=$((port + 1))
  : >"$work/server"
  case $1 in
    weft) taskset -c "$server_cpu" "$program" --quiet --listen "127.0.0.1:$port" >"$work/server" 2>&1 & ;;
    weft_epoll)
      WEFT_IO=epoll taskset -c "$server_cpu" "$program" --quiet --listen "127.0.0.1:$port" >"$work/server" 2>&1 &
      ;;
    *) taskset -c "$server_cpu" "$program" "$port" >"$work/server" 2>&1 & ;;
  esac
  server=$!
  for ((try = 0; try < 200; ++try)); do
    if grep -q '^listening on' "$work/server"; then return; fi
    sleep 0.02
  done
  die "$program does not listen: $(cat "$work/server")"
}

stop() {
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=
}

put_load() { taskset -c "$client_cpu" timeout 60 "$load" --brief "$@" "127.0.0.1:$port"; }

# User and system time of the server, in ticks.
ticks() { sed 's/.*) //' "/proc/$server/stat" | cut -d ' ' -f 12,13; }
resident_kb() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server/status"; }
note() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$figures"; }  # server, connections, figure, value, round

tick_us=$((1000000 / $(getconf CLK_TCK)))
measure() {
  local name=$1 count=$2 round=$3 user system user_end system_end rate p50 p99 p999 requests errors
  start "$name"
  read -r user system < <(ticks)
  read -r rate p50 p99 p999 requests errors < <(put_load --connections "$count" --bytes "$bytes" --duration "$duration")
  read -r user_end system_end < <(ticks)
  stop
  [[ $errors == 0 ]] || die "$name: $errors connections failed"
  note "$name" "$count" rate "$rate" "$round"
  note "$name" "$count" p50 "$p50" "$round"
  note "$name" "$count" p99 "$p99" "$round"
  note "$name" "$count" p999 "$p999" "$round"
  note "$name" "$count" user "$(awk "BEGIN { print ($user_end - $user) * $tick_us / $requests }")" "$round"
  note "$name" "$count" system "$(awk "BEGIN { print ($system_end - $system) * $tick_us / $requests }")" "$round"
}

# System calls of the server per request, in a run of its own.
count_calls() {
  local name=$1 count=$2 requests calls rate rest
  start "$name"
  # It counts from the first connection on; what the server does by itself is next to nothing beside it.
  perf stat -x , -e raw_syscalls:sys_enter -o "$work/calls" -p "$server" sleep 2.5 2>/dev/null &
  local counting=$!
  sleep 0.3
  read -r rate rest < <(put_load --connections "$count" --bytes "$bytes" --warm-up 0s --duration 2s)
  requests=$(awk '{ print $4 }' <<<"$rest")
  wait "$counting" || true
  stop
  calls=$(awk -F , '/raw_syscalls/ { print $1 }' "$work/calls")
  if [[ $calls =~ ^[0-9]+$ ]]; then note "$name" "$count" calls "$(awk "BEGIN { print $calls / $requests }")" 1; fi
}

measure_idle() {
  local name=$1 before after try open
  start "$name"
  put_load --connections 100 --bytes "$bytes" --warm-up 0s --duration 300ms >/dev/null  # what it needs once
  before=$(resident_kb)
  put_load --connections 0 --idle "$idle" --bytes "$bytes" --warm-up 0s --duration 3s >/dev/null &
  local client=$!
  for ((try = 0; try < 600; ++try)); do
    open=$(find "/proc/$server/fd" -mindepth 1 2>/dev/null | wc -l)
    ((open < idle)) || break
    sleep 0.1
  done
  sleep 1  # until each has sent its message
  after=$(resident_kb)
  wait "$client" || true
  stop
  if ((open >= idle)); then note "$name" "$idle" idle "$(((after - before) * 1024 / idle))" 1; fi
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# One after the other in the order of the round's number, so that none is always first.
in_turns() {
  local count=$1 round=$2 i k name begun now user system rate p50 p99 p999 requests errors
  local -a order=() servers=() clients=() active=() users=() systems=()
  for ((i = 0; i < ${#names[@]}; ++i)); do order+=("${names[(i + round) % ${#names[@]}]}"); done
  local all_ms=$((${#order[@]} * (duration_ms + 1000) + 2000))
  for ((i = 0; i < ${#order[@]}; ++i)); do
    start "${order[i]}"
    servers+=("$server")
    open+=("$server")
    begun=$(now_ms)
    taskset -c "$client_cpu" "$load" --brief --connections "$count" --bytes "$bytes" --warm-up 0s \
      --duration "${all_ms}ms" "127.0.0.1:$port" >"$work/client$i" &
    clients+=("$!")
    open+=("$!")
    sleep 0.05
    kill -STOP "${clients[i]}"
    active+=($(($(now_ms) - begun - 10)))  # it takes some 10 ms to begin
    read -r user system < <(ticks)
    users+=("$user")
    systems+=("$system")
  done
  for ((k = 0; k * turn_ms < duration_ms; ++k)); do
    for ((i = 0; i < ${#order[@]}; ++i)); do
      now=$(now_ms)
      kill -CONT "${clients[i]}"
      sleep "0.$turn_ms"
      kill -STOP "${clients[i]}"
      ((active[i] += $(now_ms) - now))
    done
  done
  for ((i = 0; i < ${#order[@]}; ++i)); do
    server=${servers[i]}
    read -r user system < <(ticks)
    users[i]=$((user - users[i]))
    systems[i]=$((system - systems[i]))
  done
  # When their time is over they do nothing more but report.
  while (($(now_ms) < begun + all_ms + 100)); do sleep 0.1; done
  kill -CONT "${clients[@]}"
  for ((i = 0; i < ${#order[@]}; ++i)); do
    wait "${clients[i]}" || die "${order[i]}: the client failed"
    server=${servers[i]}
    stop
    name=${order[i]}
    read -r rate p50 p99 p999 requests errors <"$work/client$i"
    [[ $errors == 0 ]] || die "$name: $errors connections failed"
    note "$name" "$count" turns_rate "$(awk "BEGIN { print $requests * 1000 / ${active[i]} }")" "$round"
    note "$name" "$count" turns_user "$(awk "BEGIN { print ${users[i]} * $tick_us / $requests }")" "$round"
    note "$name" "$count" turns_system "$(awk "BEGIN { print ${systems[i]} * $tick_us / $requests }")" "$round"
  done
  open=()
}

for ((round = 1; round <= rounds; ++round)); do
  has speed || has turns || break
  for count in $connections; do
    if has speed; then
      for name in "${names[@]}"; do measure "$name" "$count" "$round"; done
    fi
    if has turns; then in_turns "$count" "$round"; fi
  done
  printf 'round %s of %s done\n' "$round" "$rounds" >&2
done
for name in "${names[@]}"; do
  for count in $connections; do
    if has calls && command -v perf >/dev/null; then count_calls "$name" "$count"; fi
  done
  if has idle; then measure_idle "$name"; fi
done
if [[ -n $raw ]]; then cp "$figures" "$raw"; fi

printf -- '- machine: %s, %s CPUs, Linux %s\n' \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)"
printf -- '- commit: %s; %s rounds of %s, messages of %s bytes; %s\n' \
  "$(git describe --always --dirty 2>/dev/null || echo unknown)" "$rounds" "$duration" "$bytes" "$(date -u +%Y-%m-%d)"
awk -F '\t' -v servers="${names[*]}" -v counts="$connections" -v rounds="$rounds" -v idle="$idle" \
  -v with_idle="$(has idle && echo 1 || echo 0)" -v with_speed="$(has speed || has calls && echo 1 || echo 0)" \
  -v with_turns="$(has turns && echo 1 || echo 0)" '
  function median(list, n,   i, j, t) {
    for (i = 2; i <= n; ++i)
      for (j = i; j > 1 && list[j - 1] > list[j]; --j) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
    return n == 0 ? "" : n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
  }
  function of(server, count, figure,   n, r, list) {
    n = 0
    for (r = 1; r <= rounds; ++r)
      if ((server, count, figure, r) in value) list[++n] = value[server, count, figure, r]
    return median(list, n)
  }
  # Times come in ticks, so only their sum means something.
  function mean(server, count, figure,   n, r, sum) {
    for (r = 1; r <= rounds; ++r)
      if ((server, count, figure, r) in value) { ++n; sum += value[server, count, figure, r] }
    return n == 0 ? "" : sum / n
  }
  function ratio(server, count,   n, r, list) {
    n = 0
    for (r = 1; r <= rounds; ++r)
      if (value[server, count, "rate", r] > 0)
        list[++n] = value["weft", count, "rate", r] / value[server, count, "rate", r]
    return median(list, n)
  }
  # The mean of the ratios, and its standard error.
  function ratio_in_turns(server, count,   n, r, x, sum, squares, mean, spread) {
    for (r = 1; r <= rounds; ++r)
      if (value[server, count, "turns_rate", r] > 0 && ("weft", count, "turns_rate", r) in value) {
        x = value["weft", count, "turns_rate", r] / value[server, count, "turns_rate", r]
        ++n; sum += x; squares += x * x
      }
    if (n < 2) return ""
    mean = sum / n
    spread = squares / n - mean * mean
    return sprintf("%.3f +- %.3f", mean, sqrt((spread > 0 ? spread : 0) / (n - 1)))
  }
  { value[$1, $2, $3, $5] = $4 + 0 }
  END {
    n = split(servers, server, " ")
    m = split(counts, count, " ")
    for (c = 1; c <= m && with_turns; ++c) {
      printf "\n%s connection%s, in turns\n\n", count[c], count[c] == 1 ? "" : "s"
      print "| server | requests/s | weft is | user us | system us |"
      print "|---|---|---|---|---|"
      for (s = 1; s <= n; ++s)
        printf "| %s | %.0f | %s | %.3f | %.2f |\n", server[s], mean(server[s], count[c], "turns_rate"),
          server[s] == "weft" ? "" : ratio_in_turns(server[s], count[c]), mean(server[s], count[c], "turns_user"),
          mean(server[s], count[c], "turns_system")
    }
    for (c = 1; c <= m && with_speed; ++c) {
      printf "\n%s connection%s\n\n", count[c], count[c] == 1 ? "" : "s"
      print "| server | requests/s | weft is | p50 us | p99 us | p99.9 us | user us | system us | calls |"
      print "|---|---|---|---|---|---|---|---|---|"
      for (s = 1; s <= n; ++s) {
        calls = of(server[s], count[c], "calls")
        r = ratio(server[s], count[c])
        printf "| %s | %.0f | %s | %.1f | %.1f | %.1f | %.3f | %.2f | %s |\n", server[s],
          of(server[s], count[c], "rate"), r == "" ? "" : sprintf("%.2f", r),
          of(server[s], count[c], "p50"), of(server[s], count[c], "p99"),
          of(server[s], count[c], "p999"), mean(server[s], count[c], "user"), mean(server[s], count[c], "system"),
          calls == "" ? "" : sprintf("%.3f", calls)
      }
    }
    if (with_idle) {
      printf "\nresident memory for each of %s idle connections, bytes\n\n", idle
      for (s = 1; s <= n; ++s)
        if ((server[s], idle, "idle", 1) in value) printf "- %s: %d\n", server[s], value[server[s], idle, "idle", 1]
    }
  }' "$figures"
