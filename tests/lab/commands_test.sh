#!/usr/bin/env bash
# Runs weft-lab as its users do: commands_test.sh WEFT_LAB CASE SNAPSHOT_PROGRAM. Each function case_<name> is a test of
# its own.
set -euo pipefail
lab=$1
snapshot_program=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
  printf 'failed: %s\n' "$*" >&2
  exit 1
}

# refused PART ARGUMENTS...: the command line is refused with status 2, and the message has PART in it.
refused() {
  local part=$1 status=0 said
  shift
  said=$("$lab" "$@" 2>&1 >"$work/out") || status=$?
  [[ $status == 2 ]] || die "'$*' ended with status $status: $said"
  [[ $said == *"$part"* ]] || die "'$*' does not say '$part' but: $said"
  [[ ! -s $work/out ]] || die "'$*' printed something"
}

has() { grep -qF -- "$2" "$1" || die "$1 does not have '$2': $(head -c 2000 "$1")"; }

short=(--count=2k --processors=1 --seconds=30 --rounds=10)

case_unknown_names_are_refused_with_what_there_is() {
  refused "there are: list run compare" nonsense
  refused "there are: ping-pong" run nope
  refused "has --n; the choices are --processors" run fib --zap=1
  refused "there are: ping-pong" list nope
  refused "there are: processors run-next" expectations nope
  refused "has no option '--zap'" report "$0" --zap=1
  refused "has no option '--zap'" peers --zap=1
  refused "has no option '--zap'" self-check --zap=1
  refused "the workloads of the self check are: ping-pong" self-check --only=nope
}

case_values_out_of_range_are_refused_with_the_range() {
  refused "from 1 to 45" run fib --n=99
  refused "on and off" compare ping-pong vs --run-next=maybe
  refused "automatic, uring, epoll" compare ping-pong vs --io=zap
  refused "from 0.1 to 86400" run fib --seconds=x
  refused "with a unit" run fib --idle-spin=5
}

case_incomplete_commands_say_what_they_need() {
  refused "needs a workload" run
  refused "'vs' between them" compare fib
  refused "one option with several values" sweep fib
  refused "changes one option" sweep fib --n=5,6 --budget=1,2
  refused "the file to write" record
  refused "both sides need --program" compare fib --program=true vs --program=true
}

case_paths_that_cannot_be_used_are_named_before_measuring() {
  refused "cannot write '/nope/x'" run fib --json=/nope/x
  refused "cannot write '/nope/x'" record /nope/x
  refused "cannot read '/nope': No such file" replay /nope
  refused "cannot read '/nope': No such file" report /nope
  refused "cannot read '$work': Is a directory" replay "$work"
  refused "cannot read '$work': Is a directory" report "$work"
  refused "cannot read '$work': Is a directory" expectations --docs="$work"
}

case_broken_files_are_refused_with_the_place() {
  printf 'weft-trace 1\n1 2\n' >"$work/broken"
  refused "broken:2: expected three whole numbers" replay "$work/broken"
  refused "is no JSON" report "$work/broken"
  echo '{}' >"$work/other"
  refused "was not written by weft-lab" report "$work/other"
}

case_a_comparison_is_reported_in_every_form() {
  "$lab" compare ping-pong "${short[@]}" vs --run-next=off \
    --json="$work/r.json" --csv="$work/r.csv" --html="$work/r.html" >"$work/out"
  has "$work/out" "Does it reduce allocations, or only move them?"
  has "$work/out" "Does it simplify shutdown, or complicate it?"
  has "$work/r.json" '"practical_check"'
  has "$work/r.csv" "side,variant,round,figure,value"
  [[ $(grep -c ',"time_per_operation_ns",' "$work/r.csv") == 20 ]] || die "not 2 x 10 rounds in the CSV"
  has "$work/r.html" "</html>"
  has "$work/r.html" "<svg"
  # No part of the page comes from elsewhere.
  ! grep -Eq 'src=|href=|@import|url\(' "$work/r.html" || die "the page refers to something"
  "$lab" report "$work/r.json" --html="$work/again.html" --csv="$work/again.csv" >"$work/again"
  cmp "$work/r.html" "$work/again.html"
  cmp "$work/r.csv" "$work/again.csv"
  cmp "$work/out" "$work/again"
}

case_an_interrupt_leaves_a_valid_report() {
  local status=0
  "$lab" run ping-pong --count=2k --seconds=600 --precision=0.0001 --json="$work/p.json" --html="$work/p.html" \
    >"$work/out" &
  # The first runs have begun when a child is there; the reports are written whenever the signal comes.
  while [[ -z $(cat /proc/$!/task/$!/children 2>/dev/null) ]]; do
    kill -0 $! || die "it ended by itself"
  done
  kill -INT $!
  wait $! || status=$?
  # A background job of a script ignores SIGINT until the program installs its handler; then it counts.
  [[ $status == 130 ]] || die "status $status, not 130"
  has "$work/out" interrupted
  has "$work/p.html" "</html>"
  "$lab" report "$work/p.json" >"$work/again"
  cmp "$work/out" "$work/again"
}

case_two_programs_are_compared_by_the_metrics_that_they_write() {
  local write='printf "{\"/weft/sched/steals:steals\": %d, \"drain_ns\": 5}\n{\"operations\": 10}\n"'
  "$lab" compare --rounds=10 --program "$write 100 >\$WEFT_LAB_SNAPSHOT" \
    vs --program "$write 500 >\$WEFT_LAB_SNAPSHOT" >"$work/out"
  has "$work/out" "no - increased: steals 10.0 /op -> 50.0 /op"
}

case_a_self_check_of_too_few_rounds_is_not_believed() {
  local status=0
  "$lab" self-check --only=mixed --sessions=1 --rounds=1 >"$work/out" || status=$?
  [[ $status == 1 ]] || die "status $status, not 1: $(cat "$work/out")"
  has "$work/out" "no measurable difference in 0 of 1; a tenth more work found in 0 of 0"
}

case_a_program_that_links_weft_is_compared_by_what_its_runtime_did() {
  # With room for 8 values the tasks park far less often than with none, but often enough for a sample of latencies.
  "$lab" compare --rounds=10 --program "$snapshot_program 8" vs --program "$snapshot_program 0" \
    --csv="$work/p.csv" >"$work/out"
  has "$work/out" "time per operation"
  grep -Eq '^  parks .* more$' "$work/out" || die "parks are not compared: $(cat "$work/out")"
  has "$work/p.csv" '"operations",2000'
  has "$work/p.csv" '"/sched/latencies:seconds#count"'
  # The program does not count its heap; its stacks, its queues and its shutdown are known.
  has "$work/out" "link weft::counting_allocator"
  has "$work/out" "stacks: blocks of tasks"
  has "$work/out" "waits for weft's locks and mutexes"
  has "$work/out" "time to drain"
  [[ $(grep -c "not measured" "$work/out") == 0 ]] || die "a question has no answer: $(cat "$work/out")"
}

case_a_program_that_fails_is_quoted() {
  local status=0
  "$lab" compare --program 'echo broken >&2; exit 7' vs --program true >"$work/out" 2>"$work/err" || status=$?
  [[ $status == 1 ]] || die "status $status, not 1"
  has "$work/err" "ended with status 7: broken"
  "$lab" compare --program 'echo nonsense >$WEFT_LAB_SNAPSHOT' vs --program true >"$work/out" 2>"$work/err" || status=$?
  [[ $status == 1 || $status == 2 ]] || die "status $status"
  has "$work/err" "no JSON object"
}

case_a_run_that_hangs_is_killed() {
  local status=0
  "$lab" compare --patience=0.3 --program 'sleep 60' vs --program true >"$work/out" 2>"$work/err" || status=$?
  [[ $status == 1 ]] || die "status $status, not 1"
  has "$work/err" "did not end within"
}

case_a_recorded_trace_is_replayed_at_a_volume() {
  "$lab" record "$work/t" --tasks=200 --rate=10k
  [[ $(grep -c '^[0-9]' "$work/t") == 200 ]] || die "not 200 tasks"
  "$lab" replay "$work/t" --volume=2 --rounds=2 --csv="$work/t.csv" >"$work/out"
  has "$work/t.csv" '"operations",400'
}

case_a_program_records_a_trace_of_its_tasks_that_is_replayed() {
  WEFT_TRACE="$work/t" WEFT_LAB_SNAPSHOT=/dev/null "$snapshot_program" 0
  [[ $(grep -c '^[0-9]' "$work/t") == 2 ]] || die "not the two tasks of the program: $(cat "$work/t")"
  grep -q '^0 [1-9][0-9]* 0$' "$work/t" || die "the main task is not the first, or did nothing: $(cat "$work/t")"
  "$lab" replay "$work/t" --rounds=2 --csv="$work/t.csv" >"$work/out"
  has "$work/t.csv" '"operations",2'
}

case_a_sweep_compares_each_value_with_the_first() {
  "$lab" sweep mixed --tasks=200 --rate=5k,10k,20k --rounds=2 --html="$work/s.html" >"$work/out"
  has "$work/out" "20k"
  ! grep '^  ' "$work/out" | grep -qE '.{121}' || die "a line of the table is longer than 120 characters"
  has "$work/s.html" "Throughput against rate"
  has "$work/s.html" "CPU against footprint"
  has "$work/s.html" "Latency distribution"
}

declare -F "case_$2" >/dev/null || die "there is no case $2"
"case_$2"
