#!/usr/bin/env bash
# Runs gzstat on small generated trees and checks what it prints and how it ends.
#
#   gzstat_test.sh GZSTAT CASE        runs one case, each a function case_<CASE> below
#   gzstat_test.sh --list             names the cases
#
# Where it can, a case compares with what zcat, wc and grep say of the same files. Whatever ends a run, the report must
# account for every file that was found.
set -euo pipefail
export LC_ALL=C
unset WEFT_DEBUG WEFT_GC WEFT_MEMLIMIT WEFT_IO

# Checking ----------------------------------------------------------------------------------------------------------

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  printf -- '--- standard output\n%s\n--- standard error\n%s\n' "$(head -50 "$out")" "$(head -50 "$err")" >&2
  exit 1
}

# run STATUS ARGS...: runs gzstat, which must end with that status; leaves what it prints in $out and $err.
run() {
  local wanted=$1 status=0
  shift
  timeout 120 "$gzstat" "$@" >"$out" 2>"$err" || status=$?
  ((status == wanted)) || fail "gzstat $*: status $status, expected $wanted"
}

expect_err() { grep -qF -- "$1" "$err" || fail "standard error should contain: $1"; }
expect_no_err() { if grep -qF -- "$1" "$err"; then fail "standard error should not contain: $1"; fi; }

# expect NUMBER WHAT: the line of the results that counts WHAT.
expect() {
  local number
  number=$(result "$2")
  [[ $number == "$1" ]] || fail "there should be $1 $2, not '$number'"
}
result() { awk -v what="$1" '{ n = $1; sub(/^ *[0-9]+ /, ""); if ($0 == what) { print n; exit } }' "$out"; }

# of WHAT: the number before WHAT in the report's row of files; 0 if it is not there.
of() { sed -nE "s/^  files .*[ (]([0-9,]+) $1.*/\1/p" "$err" | tr -d , | grep . || echo 0; }

# Every file that was found was done, bad, in flight or not begun.
expect_all_accounted() {
  local found done bad flying idle
  found=$(of found) done=$(of done) bad=$(of bad) flying=$(of "in flight") idle=$(of "not begun")
  ((found == done + bad + flying + idle)) || fail "$found found, but $done + $bad + $flying + $idle"
  ((done == $(result files))) || fail "the results should be those of the files that are done"
}

# The totals that zcat gives of the same files.
expect_totals_of() {
  local f
  cat "$@" | wc -c >compressed
  zcat "$@" >plain
  expect $# files
  expect "$(cat compressed)" "compressed bytes"
  expect "$(wc -c <plain)" bytes
  expect "$(wc -l <plain)" lines
  # A newline between the files, so that no word goes on in the next one.
  for f in "$@"; do zcat "$f" && echo; done >plain
  expect "$(tr '\t\v\f\r ' '[\n*]' <plain | grep -acv '^$')" words
}

# Cases: totals -----------------------------------------------------------------------------------------------------

# changelog PACKAGE ENTRIES: a Debian changelog.
changelog() {
  local i
  for ((i = $2; i > 0; --i)); do
    printf '%s (1.%d-1) unstable; urgency=%s\n\n  * A change.\n    More of it.\n  * Another one.\n\n' \
      "$1" "$i" "$([[ $((i % 3)) == 0 ]] && echo HIGH || echo medium)"
    printf ' -- %s <some@body.example>  Mon, 01 Jan %d 12:00:00 +0000\n\n' \
      "$([[ $((i % 2)) == 0 ]] && echo 'Ada L.' || echo 'Grace H.')" "$((2000 + i))"
  done
}

make_tree() {
  mkdir -p tree/a/b/c tree/empty
  changelog alpha 7 | gzip >tree/a/changelog.gz
  changelog beta 4 | gzip >tree/a/b/changelog.Debian.gz
  printf 'no newline at the end, and  two spaces' | gzip >tree/a/b/c/unended.gz
  printf '' | gzip >tree/nothing.gz
  printf '\n \n\t\n' | gzip >tree/blank.gz
  seq 1 5000 | gzip >tree/numbers.gz
  echo "not this one" >tree/a/plain.txt
  ln -s a/changelog.gz tree/link.gz
  ln -s .. tree/a/b/cycle
}

case_totals_are_those_of_zcat() {
  make_tree
  run 0 tree
  expect_totals_of $(find tree -name '*.gz' -type f)
  expect_all_accounted
  expect_err "6 found: 6 done, 0 bad, 0 in flight, 0 not begun"
  expect_err "5 walked, 1 symbolic link not followed"
}

case_changelogs_are_taken_apart() {
  make_tree
  run 0 tree
  expect 11 "changelog entries"
  expect 22 "changes in them"
  expect 2 packages
  expect 3 high
  expect 8 medium
  expect 5 "Ada L."
  expect 6 "Grace H."
  expect 2 2001
  expect 1 2007
  run 0 --top 1 tree
  expect "" "Ada L."
  run 0 --top=0 tree
  expect "" "Grace H."
}

case_what_only_looks_like_an_entry_is_none() {
  printf '%s\n' 'alpha (1) unstable; urgency=' 'alpha () unstable; urgency=low' 'alpha unstable; urgency=low' \
    ' alpha (1) unstable; urgency=low' 'alpha (1) unstable, urgency=low' 'al/pha (1) u; urgency=low' \
    ' -- <nobody@example>' ' --' 'alpha (1' 'alpha (' 'a' 'alpha (1) u; urgency=low' ' *' | gzip >odd.gz
  run 0 odd.gz
  expect 1 "changelog entries"
  expect 1 low
  expect 0 "changes in them"
  expect_totals_of odd.gz
}

case_empty_folders_are_no_trouble() {
  mkdir -p hollow/within
  run 0 hollow
  expect 0 files
  expect 0 lines
  expect_err "0 found"
}

case_one_processor_and_two() {
  make_tree
  local processors
  for processors in 1 2; do
    WEFT_PROCS=$processors run 0 tree
    expect_totals_of $(find tree -name '*.gz' -type f)
    WEFT_PROCS=$processors run 0 --read 3 --inflate 5 --parse 2 --queue 1 --block 64 tree
    expect_totals_of $(find tree -name '*.gz' -type f)
    expect_err "read 3, inflate 5, parse 2; queues of 1"
  done
}

case_every_width_and_queue_gives_the_same() {
  make_tree
  run 0 -q tree
  cp "$out" expected
  local options
  for options in "--read 1 --inflate 1 --parse 1 --queue 0" "--read 9 --inflate 1 --parse 1 --queue 0" \
    "--read 1 --inflate 9 --parse 9 --queue 1" "--queue 4096" "--read 256 --inflate 256 --parse 256" \
    "--pass 1" "--pass 7 --queue 0 --block 100" "--read-threads" "--read-threads --block 64 --queue 0"; do
    run 0 -q $options tree  # unquoted: several options
    cmp -s expected "$out" || fail "$options: $(diff expected "$out" | head -5)"
    [[ ! -s $err ]] || fail "nothing should be on standard error"
  done
}

# Words and entries that lie across the borders of blocks of many sizes.
case_borders_of_blocks() {
  mkdir tree
  changelog gamma 200 | gzip >tree/changelog.gz
  head -c 20000 /dev/urandom | gzip >tree/noise.gz
  run 0 -q tree
  cp "$out" expected
  expect_totals_of tree/*.gz
  local block
  for block in 64 65 71 100 127 1000 4097 20000 16777216; do
    run 0 -q --block "$block" tree
    cmp -s expected "$out" || fail "blocks of $block: $(diff expected "$out" | head -5)"
  done
}

case_many_files() {
  mkdir -p tree
  local i
  for ((i = 0; i < 40; ++i)); do mkdir "tree/$i"; done
  for ((i = 0; i < 10; ++i)); do changelog "p$i" $((i + 1)) | gzip >"tree/$i/original.gz"; done
  for ((i = 0; i < 1000; ++i)); do ln "tree/$((i % 10))/original.gz" "tree/$((i % 40))/$i.gz"; done
  run 0 tree
  expect_totals_of $(find tree -name '*.gz')
  expect_err "1,010 found: 1,010 done"
  expect_all_accounted
}

case_deep_tree() {
  local deep=deep i
  for ((i = 0; i < 200; ++i)); do deep+=/d$i; done
  mkdir -p "$deep"
  echo text | gzip >"$deep/f.gz"
  run 0 deep
  expect 1 lines
  expect_err "201 walked"
}

case_several_members() {
  mkdir tree
  { for i in 1 2 3; do seq "$i" 3000 | gzip; done; printf '' | gzip; echo end | gzip; } >tree/five.gz
  { seq 1 10 | gzip; head -c 1000 /dev/zero; } >tree/padded.gz
  run 0 tree
  expect 6 "members of them"
  zcat tree/five.gz tree/padded.gz >plain
  expect "$(wc -l <plain)" lines
  for block in 64 67 1000; do
    run 0 --block "$block" tree
    expect 6 "members of them"
    expect "$(wc -c <plain)" bytes
  done
}

# Memory stays small, whatever a file grows to.
case_very_large_file_in_bounded_memory() {
  mkdir tree
  head -c 50000000 < <(yes 'a line of no importance' || true) | gzip -1 >part.gz
  cat part.gz part.gz part.gz part.gz part.gz part.gz part.gz part.gz >tree/large.gz
  # Sanitizers need far more address space than the file is long.
  local limit=250000
  [[ -z ${WEFT_TEST_SANITIZED:-} ]] || limit=unlimited
  (ulimit -v "$limit" && MALLOC_ARENA_MAX=1 exec timeout 250 "$gzstat" tree >"$out" 2>"$err") || fail "status $?"
  expect 400000000 bytes
  expect $(($(zcat part.gz | wc -l) * 8)) lines
  expect 8 "members of them"
  local blocks
  blocks=$(sed -nE 's/^  buffers +at most ([0-9,]+) blocks?.*/\1/p' "$err" | tr -d ,)
  ((blocks > 0 && blocks <= 40)) || fail "a single file should need a few blocks, not '$blocks'"
}

case_named_files_are_taken_whatever_they_are_called() {
  echo text | gzip >strange.name
  ln -s strange.name link
  run 0 strange.name link
  expect 2 files
  expect 2 lines
}

# Cases: damaged files ----------------------------------------------------------------------------------------------

make_damaged() {
  mkdir -p bad
  seq 1 20000 | gzip >good.gz
  local size
  size=$(stat -c %s good.gz)
  head -c $((size / 2)) good.gz >bad/truncated.gz
  head -c $((size - 3)) good.gz >bad/short_end.gz
  head -c 5 good.gz >bad/short_header.gz
  { head -c $((size - 8)) good.gz; printf '\1\2\3\4'; tail -c 4 good.gz; } >bad/checksum.gz
  { head -c $((size - 4)) good.gz; printf '\1\2\3\4'; } >bad/length.gz
  { head -c 30 good.gz; head -c 2000 /dev/zero | tr '\0' '\377'; tail -c +2000 good.gz; } >bad/middle.gz
  { cat good.gz; echo "something else"; } >bad/behind.gz
  { cat good.gz; printf '\0\0'; cat good.gz; } >bad/padding_between.gz
  echo "this is no gzip at all" >bad/plain.gz
  : >bad/empty.gz
}

case_each_kind_of_damage_is_named() {
  make_damaged
  local name why
  while read -r name why; do
    run 1 "bad/$name.gz"
    expect_err "gzstat: bad/$name.gz: $why"
    expect_err "1 found: 0 done, 1 bad, 0 in flight, 0 not begun"
    expect_err "that stopped the rest"
    expect 0 files
    if zcat "bad/$name.gz" >/dev/null 2>&1; then fail "zcat should not like $name either"; fi
    run 1 --keep-going --block 64 "bad/$name.gz"
    expect_err "gzstat: bad/$name.gz: $why"
  done <<'END'
truncated truncated: the file ends within its compressed data
short_end truncated: the file ends within its compressed data
short_header truncated: the file ends within its compressed data
checksum damaged: incorrect data check
length damaged: incorrect length check
middle damaged: invalid
behind there is something else behind the compressed data
plain not in gzip format
empty the file is empty
END
  run 1 bad/padding_between.gz
  expect_err "there is something else behind the compressed data"
}

# The first bad file ends the run, and the files around it are all accounted for.
case_an_error_in_the_middle_stops_the_rest() {
  make_damaged
  make_endless
  mkdir tree
  local i
  for ((i = 100; i < 150; ++i)); do ln good.gz "tree/$i.gz"; done
  ln bad/truncated.gz tree/150_bad.gz
  for ((i = 151; i < 200; ++i)); do ln endless/000.gz "tree/$i.gz"; done
  local options
  for options in "" "--queue 0" "--read 1 --inflate 1 --parse 1 --queue 1" "--read 8 --inflate 8 --parse 8" \
    "--block 64" "--pass 3" "--read-threads"; do
    WEFT_PROCS=$((1 + ${#options} % 2)) run 1 $options tree  # unquoted: several options
    expect_err "gzstat: tree/150_bad.gz: truncated"
    expect_err "that stopped the rest"
    expect_all_accounted
    (($(of bad) == 1)) || fail "one file should be bad"
    (($(of done) <= 50)) || fail "no more can be done than the files before the bad one"
  done
}

# In a file that never comes to its end, as far as this run is concerned, the error reaches who is in the midst of it.
case_an_error_stops_who_is_in_the_middle_of_a_file() {
  make_damaged
  make_endless
  run 1 --read 2 --inflate 2 --parse 2 endless/000.gz bad/checksum.gz
  expect_err "gzstat: bad/checksum.gz: damaged: incorrect data check"
  expect_all_accounted
  expect 0 files
  (($(of bad) == 1 && $(of "in flight") == 1)) || fail "one file should be bad, and one in flight"
}

case_keep_going_lists_the_bad_and_counts_the_good() {
  make_damaged
  mkdir tree
  local i
  for ((i = 0; i < 50; ++i)); do ln good.gz "tree/$i.gz"; done
  ln bad/*.gz tree/
  local options
  for options in "" "--queue 0 --block 64" "--read 8 --inflate 8 --parse 8" "--read-threads --pass 2"; do
    run 1 --keep-going $options tree  # unquoted: several options
    expect_all_accounted
    expect 50 files
    expect 1000000 lines
    expect_err "60 found: 50 done, 10 bad, 0 in flight, 0 not begun"
    expect_no_err "that stopped the rest"
    for i in bad/*.gz; do expect_err "gzstat: tree/${i#bad/}: "; done
  done
}

case_only_a_few_bad_files_are_named() {
  mkdir tree
  local i
  for ((i = 0; i < 100; ++i)); do echo plain >"tree/$i.gz"; done
  run 1 --keep-going tree
  (($(grep -c 'not in gzip format' "$err") == 10)) || fail "10 files should be named"
  expect_err "and 90 more"
  expect_err "100 found: 0 done, 100 bad"
}

case_what_cannot_be_read_is_named() {
  echo text | gzip >good.gz
  mkfifo pipe.gz
  run 1 --keep-going absent gone/too good.gz pipe.gz /proc/self/mem
  expect 1 files
  expect_err "gzstat: absent: No such file or directory"
  expect_err "gzstat: gone/too: No such file or directory"
  expect_err "gzstat: pipe.gz: "
  expect_err "gzstat: /proc/self/mem: "
  run 1 absent
  expect_err "gzstat: absent: No such file or directory"
  expect_err "that stopped the rest"
  run 1 --keep-going --read-threads absent good.gz
  expect_err "gzstat: absent: No such file or directory"
  expect 1 files
}

case_unreadable_folders_are_named() {
  mkdir -p tree/closed deep
  echo text | gzip >tree/good.gz
  chmod 000 tree/closed
  if ((EUID != 0)); then
    run 1 tree
    expect_err "gzstat: tree/closed: Permission denied"
    run 1 --keep-going tree
    expect_err "gzstat: tree/closed: Permission denied"
    expect 1 files
  fi
  chmod 700 tree/closed
  # Root may read that, but a path that is too long for the kernel is nobody's to read.
  local name path=deep i
  name=$(printf '%0200d' 0)
  for ((i = 0; i < 30; ++i)); do path+=/$name; done
  mkdir -p "$path"  # step by step, so it may be longer
  run 1 deep tree
  expect_err "/$name: File name too long"
  expect_err "that stopped the rest"
  run 1 --keep-going deep tree
  expect_err "/$name: File name too long"
  expect 1 files
}

# Cases: deadlines and interrupts -----------------------------------------------------------------------------------

# make_endless: a folder of files that would take hours.
make_endless() {
  mkdir endless
  head -c 100000000 /dev/zero | gzip -9 >part.gz  # a thousandth of its length
  local i
  for ((i = 0; i < 100; ++i)); do cat part.gz; done >part100.gz
  for ((i = 0; i < 20; ++i)); do cat part100.gz; done >endless/000.gz
  for ((i = 1; i < 300; ++i)); do printf -v name 'endless/%03d.gz' "$i" && ln endless/000.gz "$name"; done
}

case_a_deadline_ends_the_run() {
  make_endless
  local time options
  for time in 0 0s 1ns 1ms 30ms 0.1s; do
    for options in "" "--queue 0 --read 1 --inflate 1 --parse 1" "--read-threads" "--block 1000 --pass 2"; do
      WEFT_PROCS=$((1 + ${#options} % 2)) run 3 --deadline "$time" $options endless  # unquoted: several options
      expect_err "gzstat: the deadline of "
      expect_all_accounted
      expect 0 files
    done
  done
}

case_what_was_done_before_the_deadline_counts() {
  make_endless
  seq 1 10 | gzip >small.gz
  # One worker a stage: the small files are through before the large one comes, or the deadline was sooner.
  run 3 --deadline 300ms --read 1 --inflate 1 --parse 1 small.gz small.gz endless
  expect_all_accounted
  (($(result lines) == 10 * $(result files))) || fail "ten lines for each file that was done"
  (($(of done) <= 2)) || fail "only the small files can be done"
}

case_a_deadline_that_is_not_needed_changes_nothing() {
  make_tree
  run 0 --deadline 1h tree
  expect_totals_of $(find tree -name '*.gz' -type f)
  run 1 --deadline 1h --keep-going tree absent
  expect_err "gzstat: absent: No such file or directory"
  expect_no_err "deadline"
}

case_interrupts_end_the_run() {
  make_endless
  local signal status
  for signal in INT TERM; do
    status=0
    "$gzstat" endless >"$out" 2>"$err" &
    child=$!
    # It blocks the signal first of all, so one that comes later is never lost.
    until grep -qE '^SigBlk:.*[4-7]...$' "/proc/$child/status"; do
      if grep -q '^State:.*Z' "/proc/$child/status"; then fail "it ended at once: $(cat "$err")"; fi
    done
    kill -s "$signal" "$child"
    wait "$child" || status=$?
    child=
    ((status == 130)) || fail "status $status, expected 130"
    expect_err "gzstat: interrupted"
    expect_all_accounted
  done
}

# Cases: costs ------------------------------------------------------------------------------------------------------

case_costs_compares_the_ways() {
  make_tree
  run 0 --costs --rounds 2 tree
  local what
  for what in "6 files" "medians of 2 rounds" "plain calls in one loop" \
    "4 hops: list > read > inflate > parse > reduce" "queues of 1" "a task for each file" \
    "4 stages that only hand on" "ns each"; do
    grep -qF -- "$what" "$out" || fail "the table should have: $what"
  done
  [[ ! -s $err ]] || fail "nothing should be on standard error"
  WEFT_PROCS=1 run 0 --costs --rounds 1 --queue 0 --block 64 --read 3 --inflate 2 --parse 1 tree
}

case_costs_leaves_damaged_files_out() {
  make_damaged
  run 1 --costs --rounds 1 good.gz bad absent
  grep -qF "1 files" "$out" || fail "one file should be measured"
  expect_err "gzstat: left out: bad/checksum.gz: damaged: incorrect data check"
  run 1 --costs --rounds 1 bad
  expect_err "there is no .gz file to measure with"
}

# Cases: arguments --------------------------------------------------------------------------------------------------

bad_argument() {
  local message=$1
  shift
  run 2 "$@"
  [[ ! -s $out ]] || fail "nothing should be on standard output"
  expect_err "$message"
}

case_bad_arguments_name_the_value_and_what_is_allowed() {
  bad_argument "nothing to read"
  bad_argument "there is no option '--bogus'" --bogus .
  bad_argument "there is no option '-x'" -x .
  local option
  for option in --read --inflate --parse; do
    bad_argument "$option '0': expected a whole number from 1 to 256" "$option" 0 .
    bad_argument "$option '257': expected a whole number from 1 to 256" "$option=257" .
    bad_argument "$option 'abc': expected" "$option" abc .
    bad_argument "$option '-3': expected" "$option" -3 .
    bad_argument "$option '': expected" "$option=" .
    bad_argument "$option needs a whole number from 1 to 256" . "$option"
  done
  bad_argument "--queue '-1': expected a whole number from 0 to 4096" --queue -1 .
  bad_argument "--queue '4x': expected" --queue 4x .
  bad_argument "--block '63': expected a whole number from 64 to 16777216" --block 63 .
  bad_argument "--pass '65': expected a whole number from 0 to 64" --pass 65 .
  bad_argument "--top '99999999999999999999': expected a whole number from 0 to 1000000" --top 99999999999999999999 .
  bad_argument "--rounds '0': expected a whole number from 1 to 1000" --costs --rounds 0 .
  bad_argument "--rounds says how often --costs measures" --rounds 3 .
  local time
  for time in 5 -1s soon "" 25h inf 1e9h; do
    bad_argument "--deadline '$time': expected a time from 0 to 24h, such as 500ms, 2s or 1m30s" --deadline "$time" .
  done
  bad_argument "--deadline needs a time from 0 to 24h" . --deadline
  bad_argument "--costs and --deadline exclude each other" --costs --deadline 1s .
  bad_argument "--costs and --pass exclude each other" --costs --pass 1 .
  bad_argument "--keep-going takes no value" --keep-going=yes .
  bad_argument "a path is empty" ""
}

case_environment_is_checked() {
  WEFT_PROCS=0 run 2 .
  expect_err "WEFT_PROCS"
}

case_help() {
  run 0 --help
  [[ $(<"$out") == *"usage: gzstat"*"exit status"* ]] || fail "the help text is not complete"
  [[ ! -s $err ]] || fail "nothing should be on standard error"
  local option
  for option in --read --inflate --parse --queue --block --pass --read-threads --deadline --keep-going --costs \
    --rounds --top --quiet; do
    grep -q -- "$option" "$out" || fail "the help text does not name $option"
  done
}

case_after_two_dashes_everything_is_a_path() {
  echo text | gzip >--costs
  run 0 -- --costs
  expect 1 lines
}

case_quiet_prints_results_and_errors_only() {
  echo text | gzip >good.gz
  run 1 -q --keep-going good.gz absent
  expect 1 lines
  [[ $(<"$err") == "gzstat: absent: No such file or directory" ]] || fail "only the error should be printed"
}

case_a_full_disk_is_an_error() {
  [[ -c /dev/full ]] || return 0
  echo text | gzip >good.gz
  local arguments status
  for arguments in "--help" "-q good.gz" "--costs --rounds 1 good.gz"; do
    status=0
    "$gzstat" $arguments >/dev/full 2>"$err" || status=$?  # unquoted: several arguments
    ((status == 2)) || fail "$arguments: status $status, expected 2"
  done
  expect_err "the results could not be written"
}

# Running -----------------------------------------------------------------------------------------------------------

if [[ ${1-} == --list ]]; then
  declare -F | sed -n 's/^declare -f case_//p'
  exit
fi
gzstat=$(realpath "$1")
work=$(mktemp -d)
child=  # a process that a case has started
clean_up() {
  if [[ -n $child ]]; then kill -s KILL "$child" && wait "$child" 2>/dev/null; fi || true
  rm -rf "$work"
}
trap clean_up EXIT
out=$work/out
err=$work/err
mkdir "$work/files"
cd "$work/files"
"case_$2"
