#!/usr/bin/env bash
# Runs the benchmarks, each many times in fresh processes, and prints medians, worst runs and ratios to the peers.
#
# One round runs every benchmark once for each number of processors, each in a process of its own; the rounds follow one
# another, so that a disturbance of the machine spreads over all rows instead of falling on one. docs/benchmarks.md
# explains the tables.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'END'
usage: bench/run.sh [OPTIONS]      (or: ./weft bench [OPTIONS])

  --rounds N          fresh processes for each row (default 5)
  --build DIR         the build folder (default build/release)
  --only REGEX        only rows whose name matches: BM_PingPong, yield, weft_workloads' names such as fib
  --suite, --compare  only the suite, or only the comparison with the peers (default: both)
  --peer NAME=PROG    one more peer for the comparison: a program that is run as PROG WORKLOAD THREADS and prints
                      WORKLOAD THREADS VALUE UNIT, with status 2 for a workload, or a number of threads, that it does
                      not have; may be repeated
  --min-time SECONDS  of each Google Benchmark run (default 0.3)
  --raw FILE          also keep every single figure in FILE, tab separated
  --help              show this text

The comparison takes the peers that are built; to build them: cmake --build build/release --target peers
END
}

die() {
  printf 'bench/run.sh: %s\n' "$1" >&2
  exit 2
}

rounds=5
build=build/release
only=.
min_time=0.3
raw=
suite=yes
compare=yes
peer_names=()
peer_programs=()

while (($# > 0)); do
  case $1 in
    --rounds | --build | --only | --peer | --min-time | --raw) (($# > 1)) || die "$1 needs a value" ;;
  esac
  case $1 in
    --rounds) rounds=$2 && shift ;;
    --build) build=$2 && shift ;;
    --only) only=$2 && shift ;;
    --min-time) min_time=$2 && shift ;;
    --raw) raw=$2 && shift ;;
    --peer)
      [[ $2 == ?*=?* ]] || die "--peer wants NAME=PROG, not '$2'"
      peer_names+=("${2%%=*}")
      peer_programs+=("${2#*=}")
      shift
      ;;
    --suite) compare=no ;;
    --compare) suite=no ;;
    -h | --help)
      usage
      exit
      ;;
    *) die "there is no option '$1' (--help)" ;;
  esac
  shift
done
[[ $rounds =~ ^[1-9][0-9]*$ ]] || die "--rounds wants a number from 1, not '$rounds'"
[[ $suite == yes || $compare == yes ]] || die "--suite and --compare exclude each other"
[[ -d $build/bench ]] || die "$build/bench is not there; build it first: ./weft bench, or the target benches"

# What there is to run ----------------------------------------------------------------------------------------------
# A job is "suite|program|benchmark", "parked|program|processors" or "compare|name|program|workload|threads".

suite_programs=(fork_join_bench parallel_bench channel_bench select_bench spawn_bench yield_bench stack_bench
  hand_off_latency_bench sleep_lateness_bench metrics_bench pool_bench)
# The comparison has a table for each of these lists.
task_workloads=(fib spawnjoin spawn1m spawn1m_go yield2 yield1000 parked)
fork_workloads=(skynet skynet_join nqueens matmul uts parfor fib_mem skynet_mem skynet_join_mem nqueens_mem matmul_mem
  uts_mem parfor_mem)
channel_workloads=(pingpong chan128 chan128_4to1 chan128_4to4 pipeline3 select2 select8 selectpark)
lock_workloads=(mutex1 mutex8 mutexyield8 sem4of8 timerstop timerloses sleep1m readmetrics)
pool_workloads=(poolhot poolhundred poolstarve)
file_workloads=(fileseq fileseqwarm files10k files10kwhole files10kcold)
workloads=("${task_workloads[@]}" "${fork_workloads[@]}" "${channel_workloads[@]}" "${lock_workloads[@]}"
  "${pool_workloads[@]}" "${file_workloads[@]}")
jobs=()

list_suite() {
  local program name
  for program in "${suite_programs[@]}"; do
    [[ -x $build/bench/$program ]] || die "$build/bench/$program is not built"
    while read -r name; do
      if [[ $name =~ $only ]]; then jobs+=("suite|$program|$name"); fi
    done < <("$build/bench/$program" --benchmark_list_tests)
  done
  for name in 1 2; do
    if [[ "parked" =~ $only ]]; then jobs+=("parked|parked_bench|$name"); fi
  done
}

list_comparison() {
  local names=(weft) programs=("$build/bench/weft_workloads") peer i workload threads
  [[ -x ${programs[0]} ]] || die "${programs[0]} is not built"
  for peer in go tokio tokio_current tbb boost_fiber read_loop liburing; do
    [[ -x $build/bench/peers/peer_$peer ]] || continue
    names+=("$peer")
    programs+=("$build/bench/peers/peer_$peer")
  done
  names+=("${peer_names[@]}")
  programs+=("${peer_programs[@]}")
  # Workload by workload, so that the figures which are compared are measured one right after the other.
  for workload in "${workloads[@]}"; do
    [[ $workload =~ $only ]] || continue
    for threads in 1 2; do
      for i in "${!names[@]}"; do jobs+=("compare|${names[i]}|${programs[i]}|$workload|$threads"); done
    done
  done
  compared=("${names[@]}")
}

compared=()
if [[ $suite == yes ]]; then list_suite; fi
if [[ $compare == yes ]]; then list_comparison; fi
((${#jobs[@]} > 0)) || die "nothing matches '$only'"

# Running -------------------------------------------------------------------------------------------------------------
# Figures are collected as tab separated lines: table, row, processors, unit, value, round, in the order of the jobs.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
figures=$work/figures
: >"$figures"
failures=0
declare -A absent=()

# The name, processors and counters of one Google Benchmark report.
read_report() {
  awk -v round="$1" '
    /"run_name":|"error_message":/ {
      split($0, part, "\"")
      if ($0 ~ /error_message/) { failed = part[4]; exit }
      name = part[4]
      processors = match(name, /processors:[0-9]+/) ? substr(name, RSTART + 11, RLENGTH - 11) : "-"
      sub(/\/processors:[0-9]+/, "", name)
      sub(/\/process_time\/real_time$/, "", name)
    }
    /"time_unit":/ { counters = 1; next }
    counters && /^ *"[^"]+": *-?[0-9]/ {
      split($0, part, "\"")
      value = $0
      sub(/^[^:]*: */, "", value)
      sub(/,.*/, "", value)
      printf "suite\t%s\t%s\t%s\t%s\t%s\n", name, processors, part[2], value, round
      found = 1
    }
    /}/ { counters = 0 }
    END { exit failed != "" || !found }'
}

report_failure() {
  printf 'bench/run.sh: round %s: %s failed with status %s%s\n' "$1" "$2" "$3" \
    "$(sed -n '1s/^/: /p' "$work/stderr")" >&2
  failures=$((failures + 1))
}

run_job() {
  local round=$1 kind a b c d status=0 line row threads value unit
  IFS='|' read -r kind a b c d <<<"$2"
  case $kind in
    suite)
      timeout 60 "$build/bench/$a" --benchmark_filter="^$b\$" --benchmark_min_time="$min_time" \
        --benchmark_format=json >"$work/report" 2>"$work/stderr" || status=$?
      if ((status == 0)); then read_report "$round" <"$work/report" >>"$figures" || status=$?; fi
      if ((status != 0)); then report_failure "$round" "$b" "$status"; fi
      ;;
    parked)
      timeout 60 "$build/bench/$a" "$b" >"$work/report" 2>"$work/stderr" || status=$?
      while read -r row threads value unit; do
        printf 'suite\t%s\t%s\t%s\t%s\t%s\n' "$row" "$threads" "$unit" "$value" "$round" >>"$figures"
      done <"$work/report"
      if ((status != 0)); then report_failure "$round" "$a $b" "$status"; fi
      ;;
    compare)
      if [[ -n ${absent[$a $c $d]-} ]]; then return; fi
      line=$(timeout 60 "$b" "$c" "$d" 2>"$work/stderr") || status=$?
      if ((status == 2)) && [[ $a != weft ]]; then
        absent[$a $c $d]=yes
      elif ((status != 0)); then
        report_failure "$round" "$b $c $d" "$status"
      else
        read -r row threads value unit <<<"$line"
        printf 'compare\t%s %s\t%s\t%s\t%s\t%s\n' "$a" "$row" "$threads" "$unit" "$value" "$round" >>"$figures"
      fi
      ;;
  esac
}

for ((round = 1; round <= rounds; ++round)); do
  for i in "${!jobs[@]}"; do
    if [[ -t 2 ]]; then
      printf '\r\033[K%s' "round $round of $rounds, $((i + 1)) of ${#jobs[@]}: ${jobs[i]}" >&2
    fi
    run_job "$round" "${jobs[i]}"
  done
  if [[ ! -t 2 ]]; then printf 'round %s of %s done\n' "$round" "$rounds" >&2; fi
done
if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
if [[ -n $raw ]]; then
  { printf 'table\trow\tprocessors\tunit\tvalue\tround\n' && cat "$figures"; } >"$raw"
fi

# The tables ----------------------------------------------------------------------------------------------------------

cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt" 2>/dev/null | head -n 1; }

describe() {
  local compiler commit
  compiler=$(cached CMAKE_CXX_COMPILER)
  commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
  printf -- '- machine: %s, %s CPUs, Linux %s\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)"
  printf -- '- load average at the end: %s\n' "$(cut -d ' ' -f 1-3 /proc/loadavg)"
  printf -- '- compiler: %s; flags: %s %s\n' "$("$compiler" --version 2>/dev/null | head -n 1)" \
    "$(cached CMAKE_CXX_FLAGS)" "$(cached CMAKE_CXX_FLAGS_RELEASE)"
  printf -- '- commit: %s; %s fresh processes for each row; %s\n' "$commit" "$rounds" "$(date -u +%Y-%m-%d)"
}

# Lines of "order key... value" sorted by key and value become one line per key: median, least, greatest.
summarise() {
  awk -F '\t' -v table="$1" '$1 == table {
      key = $2 "\t" $3 "\t" $4
      if (!(key in order)) order[key] = ++keys
      printf "%d\t%s\t%.6f\n", order[key], key, $5
    }' "$figures" | sort -t "$(printf '\t')" -k1,1n -k5,5g | awk -F '\t' '
    function flush() {
      if (n == 0) return
      median = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
      printf "%s\t%.6f\t%.6f\t%.6f\t%d\n", key, median, v[1], v[n], n
    }
    $1 != last { flush(); n = 0; last = $1; key = $2 "\t" $3 "\t" $4 }
    { v[++n] = $5 }
    END { flush() }'
}

# A tab separated table as aligned Markdown: the first two columns to the left, figures to the right.
align() {
  awk -F '\t' '
    { for (i = 1; i <= NF; ++i) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } columns = NF }
    END {
      for (r = 1; r <= NR; ++r) {
        line = "|"
        for (i = 1; i <= columns; ++i) line = line sprintf(" %" (i == 1 ? "-" : "") width[i] "s |", cell[r, i])
        print line
        if (r > 1) continue
        line = "|"
        for (i = 1; i <= columns; ++i) {
          dashes = sprintf("%" (width[i] + 1) "s", "")
          gsub(/ /, "-", dashes)
          line = line (i == 1 ? dashes "-|" : dashes ":|")
        }
        print line
      }
    }'
}

suite_table() {
  summarise suite | awk -F '\t' '
    function figure(x) { return x >= 1000 ? sprintf("%.0f", x) : x >= 100 ? sprintf("%.1f", x) : sprintf("%.2f", x) }
    BEGIN { OFS = "\t"; print "benchmark", "processors", "unit", "median", "worst", "worst/median", "spread" }
    {
      ratio = $4 > 0 ? sprintf("%.2f", $6 / $4) : "-"
      spread = $4 > 0 ? sprintf("%.0f%%", 100 * ($6 - $5) / $4) : "-"
      print $1, $2, $3, figure($4), figure($6), ratio, spread
    }' | align
}

# comparison_table WORKLOAD...: the rows of these workloads; a runtime that has none of them gets no column.
comparison_table() {
  summarise compare | awk -F '\t' -v names="${compared[*]}" -v wanted="$*" '
    function figure(x) { return x >= 1000 ? sprintf("%.0f", x) : x >= 100 ? sprintf("%.1f", x) : sprintf("%.2f", x) }
    BEGIN {
      all = split(names, name, " ")
      split(wanted, word, " ")
      for (i in word) listed[word[i]] = 1
    }
    {
      split($1, part, " ")
      if (!(part[2] in listed)) next
      row = part[2] "\t" $2 "\t" $3
      if (!(row in seen)) { seen[row] = 1; rows[++count] = row }
      median[part[1], row] = $4
      greatest[part[1], row] = $6
      present[part[1]] = 1
    }
    END {
      n = 0
      for (i = 1; i <= all; ++i) if (i == 1 || name[i] in present) name[++n] = name[i]
      line = "workload\tprocessors\tunit"
      for (i = 1; i <= n; ++i) line = line "\t" name[i] "\tworst" (i == 1 ? "" : "\tratio")
      print line
      for (r = 1; r <= count; ++r) {
        line = rows[r]
        base = median[name[1], rows[r]]
        for (i = 1; i <= n; ++i) {
          m = median[name[i], rows[r]]
          if (m == "") { line = line "\t-\t-" (i == 1 ? "" : "\t-"); continue }
          line = line "\t" figure(m) "\t" (m > 0 ? sprintf("%.2fx", greatest[name[i], rows[r]] / m) : "-")
          if (i > 1) line = line "\t" (base > 0 ? sprintf("%.2f", m / base) : "-")
        }
        print line
      }
    }' | align
}

# comparison_section TITLE WORKLOAD...: the table with its title, unless none of the workloads was run.
comparison_section() {
  local title=$1 workload
  shift
  for workload in "$@"; do
    [[ $workload =~ $only ]] || continue
    printf '\n### %s\n\n' "$title"
    comparison_table "$@"
    return
  done
}

describe
if [[ $suite == yes ]]; then
  printf '\n## The suite\n\n'
  printf 'worst: the greatest of all processes; spread: the greatest less the least, as a share of the median.\n\n'
  suite_table
fi
if [[ $compare == yes ]]; then
  printf '\n## Beside other runtimes\n\n'
  printf 'Medians; worst: the worst process over the median; ratio: that runtime over weft, above 1: weft is less.\n'
  comparison_section 'Tasks' "${task_workloads[@]}"
  comparison_section 'Fork-join' "${fork_workloads[@]}"
  comparison_section 'Channels and select' "${channel_workloads[@]}"
  comparison_section 'Locks and timers' "${lock_workloads[@]}"
  comparison_section 'Pools' "${pool_workloads[@]}"
  comparison_section 'Files' "${file_workloads[@]}"
fi
if ((failures > 0)); then
  printf 'bench/run.sh: %s runs failed and are not in the tables\n' "$failures" >&2
  exit 1
fi
