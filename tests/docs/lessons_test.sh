#!/usr/bin/env bash
# Tests of the lessons in docs/lessons: lessons_test.sh WEFT_LAB CASE runs the function case_CASE, which fails with a
# message. Nothing is measured.
set -euo pipefail
lab=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
lessons=$root/docs/lessons
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# dry_run COMMAND: checks a "./weft lab ..." line, and prints the sides that it would run, one a line.
dry_run() {
  local -a words
  eval "words=(${1#./weft lab })"
  case ${words[0]} in
    list | report | help) "$lab" "${words[@]}" >/dev/null ;;
    record) "$lab" "${words[@]}" --tasks=10 >/dev/null ;;  # a later command replays what it writes
    *) "$lab" "${words[@]}" --dry-run ;;
  esac
}

case_there_are_seven_and_the_index_names_them() {
  local number page
  for number in 1 2 3 4 5 6 7; do
    page=$(cd "$lessons" && echo "$number"-*.md)
    [[ -f $lessons/$page ]] || fail "there is no lesson $number"
    grep -qF "($page)" "$lessons/README.md" || fail "the index does not name $page"
    grep -q '^\./weft lab ' "$lessons/$page" || fail "$page has no experiment"
    grep -q '^## Exercises' "$lessons/$page" || fail "$page has no exercises"
  done
}

case_every_command_is_one_that_weft_lab_takes() {
  local page command
  for page in "$lessons"/*.md; do
    while IFS= read -r command; do
      case $command in
        "./weft lab "*) dry_run "$command" >/dev/null || fail "$page: $command" ;;
        "./weft frames "*) [[ -f $root/${command#./weft frames } ]] || fail "$page: $command" ;;
        *) fail "$page has a block of commands with another one: $command" ;;
      esac
    done < <(awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$page")
  done
}

# Every block of output belongs to the command above it, and stands between the marks that regenerate.sh looks for.
case_every_output_is_that_of_its_command() {
  local page number command shown line
  for page in "$lessons"/[1-7]-*.md; do
    awk -v page="$page" -v folder="$work" '
      function wrong(why) { print page ":" FNR ": " why; bad = 1; exit 1 }
      /^```sh$/ { command = ""; lines = 0; in_command = 1; next }
      in_command && /^```$/ { in_command = 0; next }
      in_command { command = $0; ++lines; next }
      /^<!-- output / {
        if (lines != 1) wrong("the block above the output is not one command")
        if ($0 !~ /^<!-- output (all|table|[1-4])( (table|[1-4]|fails))* -->$/) wrong("not the parts of an output")
        if (state != 0) wrong("an output within an output")
        state = 1
        print command > (folder "/command_" ++n)
        printf "" > (folder "/shown_" n)
        next
      }
      state == 1 { if ($0 != "```") wrong("no block after the mark"); state = 2; next }
      state == 2 && $0 == "```" { state = 3; next }
      state == 2 { print > (folder "/shown_" n); next }
      state == 3 {
        if ($0 !~ /^<!-- measured [0-9]+ [A-Z][a-z]+ [0-9]+, .* -->$/) wrong("no date after the block")
        state = 0
      }
      END { if (!bad && state != 0) wrong("an output without an end") }
    ' "$page" || fail "marks"
    for ((number = 1; ; ++number)); do
      [[ -f command_$number ]] || break
      command=$(<"command_$number")
      shown=$(<"shown_$number")
      [[ -n $shown ]] || fail "$page: nothing is shown for $command"
      line=$(dry_run "$command" | head -n 1)
      # Long lines are folded.
      [[ ${shown//[$'\n ']/} == *"${line// /}"* ]] || fail "$page: '$line' is not in what is shown for $command"
      rm "command_$number" "shown_$number"
    done
  done
}

"case_$2"
