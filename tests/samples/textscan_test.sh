#!/usr/bin/env bash
# Runs textscan on small generated trees and checks what it prints and how it ends.
#
#   textscan_test.sh TEXTSCAN CASE        runs one case, each a function case_<CASE> below
#   textscan_test.sh --list               names the cases
#
# Where it can, a case compares with what find, grep, wc, sort and uniq say of the same files.
set -euo pipefail
export LC_ALL=C
unset WEFT_DEBUG WEFT_GC WEFT_MEMLIMIT WEFT_IO

# Checking ----------------------------------------------------------------------------------------------------------

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  printf -- '--- standard output\n%s\n--- standard error\n%s\n' "$(head -50 "$out")" "$(head -50 "$err")" >&2
  exit 1
}

# run STATUS ARGS...: runs textscan, which must end with that status; leaves what it prints in $out and $err.
run() {
  local wanted=$1 status=0
  shift
  timeout 60 "$textscan" "$@" >"$out" 2>"$err" || status=$?
  ((status == wanted)) || fail "textscan $*: status $status, expected $wanted"
}

expect_out() { [[ $(<"$out") == "$1" ]] || fail "standard output should be: $1"; }
expect_err() { grep -qF -- "$1" "$err" || fail "standard error should contain: $1"; }
expect_no_err() { if grep -qF -- "$1" "$err"; then fail "standard error should not contain: $1"; fi; }
expect_out_file() { cmp -s "$1" "$out" || fail "standard output should be that of $1: $(diff "$1" "$out" | head -20)"; }

# The words of all files, with their counts, as textscan --top prints them.
count_words() {
  cat "$@" | tr -cs 'A-Za-z0-9_\200-\377' '\n' | sed '/^$/d' | sort | uniq -c | sort -k1,1nr -k2 |
    awk '{ printf "%10d %s\n", $1, $2 }'
}

# Cases: trees ------------------------------------------------------------------------------------------------------

make_tree() {
  mkdir -p tree/a/b/c tree/empty
  printf 'one two three\ntwo three\nthree\n' >tree/first.txt
  printf 'needle\nno\nneedle needle\n' >tree/a/needle.txt
  printf 'a needle at the end, no newline' >tree/a/b/unended.txt
  printf '' >tree/a/b/c/nothing.txt
  printf '\n\n\n' >tree/a/b/c/newlines.txt
  printf 'x_1 \303\251t\303\251 x_1' >tree/a/b/c/words.txt
}

case_search_counts_like_grep() {
  make_tree
  grep -rc needle tree | grep -v ':0$' | sort >expected
  run 0 --search needle tree
  expect_out_file expected
  expect_err "3 lines with 'needle' in 2 files"
  run 0 --search=needle tree/a/needle.txt
  expect_out "tree/a/needle.txt:2"
}

case_search_that_finds_nothing_is_status_1() {
  make_tree
  run 1 --search absent tree
  expect_out ""
}

case_lines_count_like_wc_and_grep() {
  make_tree
  run 0 --lines tree
  expect_out "$(find tree -type f -exec grep -c '' {} \; | awk '{ n += $1 } END { print n }')"
  lines=$(find tree -type f -exec cat {} + | wc -l | awk '{ print $1 + 2 }')
  expect_err "$lines lines, 2 of them without a newline at its end"
  expect_err "scanned         6 files, $(find tree -type f -printf '%s\n' | awk '{ n += $1 } END { print n }') bytes"
}

case_words_are_counted_and_sorted() {
  make_tree
  run 0 tree/first.txt
  expect_out "$(printf '         3 three\n         2 two\n         1 one')"
  run 0 --top 1 tree/a/b/c
  expect_out "         2 x_1"
  run 0 --words --top 0 tree
  expect_out ""
}

case_no_file_at_all() {
  mkdir hollow
  run 0 --lines hollow
  expect_out 0
  run 0 hollow
  expect_out ""
}

case_deep_and_wide_tree() {
  local deep=deep i
  for ((i = 0; i < 60; ++i)); do deep+=/d$i; done
  mkdir -p "$deep" wide
  for ((i = 0; i < 700; ++i)); do printf 'wide %d\n' "$i" >"wide/$i"; done
  for ((i = 0; i < 300; ++i)); do mkdir "wide/dir$i" && echo deep >"wide/dir$i/f"; done
  echo deep >"$deep/f"
  grep -rc deep deep wide | grep -v ':0$' | sort >expected
  local jobs
  for jobs in 1 2 7; do
    run 0 --jobs "$jobs" --search deep deep wide
    expect_out_file expected
    expect_err "1,001 files"
  done
}

# Cases: files that are not plain text ------------------------------------------------------------------------------

case_binary_files_are_counted_and_skipped() {
  mkdir tree
  printf 'text\0needle\n' >tree/binary
  printf 'needle\n' >tree/text
  run 0 --search needle tree
  expect_out "tree/text:1"
  expect_err "1 binary file"
  run 0 --search needle --binary tree
  expect_out "$(printf 'tree/binary:1\ntree/text:1')"
  expect_no_err "binary file"
}

case_huge_sparse_file() {
  mkdir tree
  truncate -s 3G tree/sparse
  echo small >tree/small
  run 0 --lines tree
  expect_out 1
  expect_err "1 binary file"
  # As text: a line far longer than anything that is held in memory, with something at its end.
  truncate -s 300M tree/long
  printf 'needle\nafter\n' >>tree/long
  # Sanitizers need far more address space than the file is long.
  local limit=250000
  [[ -z ${WEFT_TEST_SANITIZED:-} ]] || limit=unlimited
  (ulimit -v "$limit" && MALLOC_ARENA_MAX=1 exec "$textscan" -q --binary --search needle tree/long >"$out" 2>"$err") ||
    fail "status $?"
  expect_out "tree/long:1"
  run 0 -q --binary --lines tree/long
  expect_out 2
}

case_special_files_and_links_are_left_out() {
  mkdir -p tree/sub
  echo text >tree/file
  mkfifo tree/fifo
  ln -s .. tree/sub/cycle
  ln -s file tree/link
  ln -s absent tree/dangling
  run 0 --lines tree
  expect_out 1
  expect_err "3 symbolic links, 1 special file"
  # What is named itself is followed, except that there is nothing to read in a pipe.
  run 0 --lines tree/link
  expect_out 1
  run 0 --lines tree/fifo /dev/null
  expect_out 0
  expect_err "2 special files"
}

# Cases: what cannot be read ----------------------------------------------------------------------------------------

case_missing_files_are_reported_and_not_fatal() {
  echo text >file
  run 2 --lines file absent gone/too
  expect_out 1
  expect_err "textscan: absent: No such file or directory"
  expect_err "textscan: gone/too: No such file or directory"
  expect_err "2 missing"
}

# /proc/self/mem can be opened and not read at 0, by root either.
case_unreadable_files_are_reported_and_not_fatal() {
  echo needle >file
  printf '/proc/self/mem\nfile\n/proc/version\n' >list
  run 2 --files-from list --search needle
  expect_out "file:1"
  expect_err "textscan: /proc/self/mem: Input/output error"
  expect_err "1 unreadable"
  mkdir closed && echo needle >closed/file && chmod 000 closed
  if ((EUID != 0)); then
    run 2 --lines closed
    expect_err "textscan: closed: Permission denied"
  fi
  chmod 700 closed
}

case_only_a_few_troubles_are_named() {
  seq -f 'absent/%g' 1 100 >list
  run 2 --files-from list --lines
  (($(grep -c 'No such file' "$err") == 10)) || fail "10 troubles should be named"
  expect_err "and 90 more"
  expect_err "100 missing"
}

# Files come and go while the tree is walked, again and again: whatever is met, textscan ends by itself.
case_vanishing_files() {
  mkdir -p tree/stays
  local i
  for ((i = 0; i < 200; ++i)); do echo stays >"tree/stays/$i"; done
  while :; do
    mkdir -p tree/goes/below
    for ((i = 0; i < 50; ++i)); do echo goes >"tree/goes/below/$i"; done
    rm -r tree/goes
  done &
  churn=$!
  for ((i = 0; i < 40; ++i)); do
    local status=0
    timeout 60 "$textscan" --search stays tree >"$out" 2>"$err" || status=$?
    ((status == 0 || status == 2)) || fail "status $status"
    (($(grep -c '^tree/stays/' "$out") == 200)) || fail "the files that stay should be found"
  done
}

# Files of /proc have no size, and come in pieces of the kernel's choice.
case_files_without_a_size() {
  run 0 --lines /proc/filesystems
  expect_out "$(wc -l </proc/filesystems)"
}

# Cases: borders of blocks ------------------------------------------------------------------------------------------

# Lines, words and texts that lie across the borders of blocks of many sizes.
case_borders_of_blocks() {
  mkdir tree
  seq 1 3000 >tree/numbers
  awk 'BEGIN { for (i = 0; i < 400; ++i) { s = s "ab"; print i " needle " s } printf "needle" }' >tree/growing
  awk 'BEGIN { for (i = 0; i < 600; ++i) printf "%s", "xneedle_y " (i % 7 ? "" : "\n") }' >tree/mixed
  head -c 100000 /dev/zero | tr '\0' 'w' >tree/one_word
  { head -c 5000 /dev/zero | tr '\0' ' '; printf 'needle'; head -c 5000 /dev/zero | tr '\0' ' '; } >tree/one_line
  : >tree/empty
  grep -rc needle tree | grep -v ':0$' | sort >expected
  count_words tree/numbers tree/mixed >expected_words
  local lines
  lines=$(for f in tree/*; do grep -c '' "$f" || true; done | awk '{ n += $1 } END { print n }')
  local block
  for block in 64 65 66 71 97 128 1000 1024 4096 10007 65536; do
    run 0 -q --block "$block" --search needle tree
    expect_out_file expected
    run 0 -q --block "$block" --search n tree/one_line
    expect_out "tree/one_line:1"
    run 0 -q --block "$block" --lines tree
    expect_out "$lines"
    run 0 -q --block "$block" --top 100000 tree/numbers tree/mixed
    expect_out_file expected_words
    run 0 -q --block "$block" tree/one_word
    expect_out "         1 $(head -c 255 tree/one_word)"
  done
}

# A text as long as a block, and longer, is found all the same.
case_text_longer_than_a_block() {
  local text
  text=$(seq -s, 1 60)
  printf 'before%safter\n%s\n%s' "$text" "${text%?}" "$text" >file
  run 0 -q --block 64 --search "$text" file
  expect_out "file:2"
}

# With a ring and without one, files and a list that comes through a pipe are read alike.
case_both_back_ends_read_the_same() {
  make_tree
  seq 1 300000 >tree/numbers
  local io
  for io in uring epoll; do
    WEFT_IO=$io run 0 --lines tree
    expect_out "$(find tree -type f -exec grep -c '' {} \; | awk '{ n += $1 } END { print n }')"
    local status=0
    find tree -type f | WEFT_IO=$io timeout 60 "$textscan" -q --files-from - --lines >"$out.piped" || status=$?
    ((status == 0)) || fail "status $status"
    cmp -s "$out" "$out.piped" || fail "a list through a pipe gives $(<"$out.piped")"
    WEFT_IO=$io run 0 --lines /proc/filesystems
    expect_out "$(wc -l </proc/filesystems)"
  done
}

# Files larger than the default block.
case_large_files() {
  mkdir tree
  seq 1 300000 >tree/numbers
  seq -s ' ' 1 100000 >tree/one_line
  grep -rc 999 tree | sort >expected
  run 0 --search 999 tree
  expect_out_file expected
  run 0 --lines tree
  expect_out 300001
  count_words tree/* >expected
  run 0 --top 1000000 tree
  expect_out_file expected
}

# Cases: lists of files ---------------------------------------------------------------------------------------------

case_list_with_holes() {
  mkdir -p tree/sub
  echo needle >tree/a
  echo needle >tree/sub/b
  printf '\ntree/a\n\n\nabsent\ntree/sub\n\ntree/a' >list
  run 2 --files-from list --search needle
  expect_out "$(printf 'tree/a:1\ntree/a:1\ntree/sub/b:1')"
  expect_err "4 empty entries of the list"
  expect_err "textscan: absent: No such file or directory"
}

case_list_from_standard_input_with_nul() {
  mkdir tree
  echo one >"tree/with
newline"
  echo two >"tree/with space"
  find tree -type f -print0 >list
  run 0 -0 --files-from - --lines <list
  expect_out 2
  run 0 --null --files-from=list --lines tree
  expect_out 4
}

case_list_that_is_not_there() {
  run 2 --files-from absent_list --lines
  expect_err "textscan: absent_list: No such file or directory"
}

case_list_with_an_endless_path() {
  echo text >file
  { head -c 100000 /dev/zero | tr '\0' 'x'; printf '\nfile\n'; } >list
  run 2 --files-from list --lines
  expect_out 1
  expect_err "File name too long"
}

# Cases: arguments --------------------------------------------------------------------------------------------------

bad_argument() {
  local message=$1
  shift
  run 2 "$@"
  expect_out ""
  expect_err "$message"
}

case_bad_arguments_name_the_value_and_what_is_allowed() {
  bad_argument "nothing to scan"
  bad_argument "there is no option '--bogus'" --bogus .
  bad_argument "there is no option '-x'" -x .
  bad_argument "--jobs '0': expected a whole number from 1 to 256" --jobs 0 .
  bad_argument "--jobs '-3': expected" --jobs -3 .
  bad_argument "--jobs '257': expected" --jobs=257 .
  bad_argument "-j 'abc': expected" -j abc .
  bad_argument "--jobs '4x': expected" --jobs 4x .
  bad_argument "--jobs '99999999999999999999': expected" --jobs 99999999999999999999 .
  bad_argument "--jobs '': expected" --jobs= .
  bad_argument "--jobs needs a whole number from 1 to 256" . --jobs
  bad_argument "--top '-1': expected a whole number from 0 to 1000000" --top -1 .
  bad_argument "--block '63': expected a whole number from 64 to 67108864" --block 63 .
  bad_argument "--search needs the text" . --search
  bad_argument "--search '': the text is empty" --search "" .
  bad_argument "within one line" --search $'a\nb' .
  bad_argument "exclude each other" --lines --search x .
  bad_argument "--lines takes no value" --lines=3 .
  bad_argument "a path is empty" ""
  bad_argument "--null says how --files-from is written" -0 .
}

case_environment_is_checked() {
  WEFT_PROCS=0 run 2 --lines .
  expect_err "WEFT_PROCS"
  WEFT_PROCS=1 run 0 -q --lines .
}

case_help() {
  run 0 --help
  [[ $(<"$out") == *"usage: textscan"*"exit status"* ]] || fail "the help text is not complete"
  [[ ! -s $err ]] || fail "nothing should be on standard error"
  local option
  for option in --words --lines --search --files-from --null --binary --jobs --top --block --quiet; do
    grep -q -- "$option" "$out" || fail "the help text does not name $option"
  done
}

case_after_two_dashes_everything_is_a_path() {
  echo text >--lines
  run 0 --lines -- --lines
  expect_out 1
}

case_quiet_prints_results_and_errors_only() {
  echo text >file
  run 2 -q --lines file absent
  expect_out 1
  [[ $(<"$err") == "textscan: absent: No such file or directory" ]] || fail "only the error should be printed"
}

case_a_full_disk_is_an_error() {
  [[ -c /dev/full ]] || return 0
  local status=0
  "$textscan" -q --help >/dev/full 2>"$err" || status=$?
  ((status == 2)) || fail "--help: status $status, expected 2"
  echo text >file
  status=0
  "$textscan" -q --lines file >/dev/full 2>"$err" || status=$?
  ((status == 2)) || fail "status $status, expected 2"
  expect_err "the results could not be written"
}

# The report tells what the runtime did; a number stands before each word.
case_the_report_has_the_runtimes_figures() {
  make_tree
  run 0 tree
  local what
  for what in created parks hops steals "tasks stolen" overflowed "workers woken" "reads from the page cache" \
    "by the ring or epoll" "by the pool" completions "entries for them" rings epolls "at the peak" growths \
    "hot splits"; do
    grep -qE -- "[0-9,]+( KiB)? $what" "$err" || fail "a number should stand before: $what"
  done
  grep -qE -- "([0-9]+\.[0-9]+|-) per entry" "$err" || fail "a quotient, or -, should stand before: per entry"
  expect_no_err $'\r'
}

# Running -----------------------------------------------------------------------------------------------------------

if [[ ${1-} == --list ]]; then
  declare -F | sed -n 's/^declare -f case_//p'
  exit
fi
textscan=$(realpath "$1")
work=$(mktemp -d)
churn=  # a process that a case has started
clean_up() {
  if [[ -n $churn ]]; then kill "$churn" && wait "$churn" 2>/dev/null; fi || true
  rm -rf "$work"
}
trap clean_up EXIT
out=$work/out
err=$work/err
mkdir "$work/files"
cd "$work/files"
"case_$2"
