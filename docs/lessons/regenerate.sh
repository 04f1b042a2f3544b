#!/usr/bin/env bash
# Runs the commands of the lessons again and puts their output, the date and the machine into the pages.
#
#   docs/lessons/regenerate.sh [PAGE.md [TEXT]]    one page only; of it only the commands that contain TEXT
#
# In a page an experiment is a block with one command, and a block with its output between two marks:
#
#   ```sh
#   ./weft lab compare ...
#   ```
#
#   <!-- output PARTS -->
#   ```
#   (what the command printed)
#   ```
#   <!-- measured DATE, MACHINE -->
#
# PARTS say what of the output is shown: `all`; or `table` (what comes before the practical check) and the numbers of
# its questions, as in `table 1 3`. `fails` stands beside them where the command is meant to end with an error.
#
# ./weft lessons builds weft-lab first. A command's output replaces the old one when it has ended as it should. What
# $LESSONS_RUN names goes before each command: LESSONS_RUN="taskset -c 2,3", for instance.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
lab=$root/build/release/bench/lab/weft-lab
if [[ ! -x $lab ]]; then
  echo "regenerate.sh: there is no $lab; use ./weft lessons" >&2
  exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/here"

machine() {
  printf '%s, %s, %s processors' "$(LC_ALL=C date -u '+%-d %B %Y')" \
    "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)" "$(nproc)"
}

# The commands of a page that have an output, one a line: number, parts, command.
commands_of() {
  awk '
    /^\.\/weft lab / { command = $0 }
    /^<!-- output / {
      parts = $0
      gsub(/^<!-- output | -->$/, "", parts)
      print ++n "\t" parts "\t" command
    }
  ' "$1"
}

# show PARTS < output: those parts, in lines that fit the page.
show() {
  awk -v parts=" $1 " '
    BEGIN { part = "table" }
    /^The practical check/ { part = "heading" }
    /^[1-4]\. / { part = substr($0, 1, 1) }
    index(parts, " all ") || index(parts, " " part " ") { lines[++n] = $0; if ($0 != "") last = n }
    END { for (i = 1; i <= last; ++i) print lines[i] }
  ' | fold -s -w 120 | sed 's/ *$//'
}

# run NUMBER PARTS COMMAND: leaves $work/NUMBER, the block to be shown.
run() {
  local number=$1 parts=$2 status=0
  local -a words
  eval "words=(${3#./weft lab })"
  echo "${3}" >&2
  (cd "$work/here" && ${LESSONS_RUN-} "$lab" "${words[@]}") >"$work/printed" 2>&1 </dev/null || status=$?
  if [[ " $parts " == *" fails "* ]]; then
    ((status != 0)) || { echo "  it was to fail" && return 1; } >&2
  elif ((status != 0)); then
    { echo "  exit status $status:" && cat "$work/printed" && return 1; } >&2
  fi
  show "$parts" <"$work/printed" >"$work/$number"
}

# put PAGE: replaces each block for which there is a new one.
put() {
  awk -v folder="$work" -v when="$(machine)" '
    /^<!-- output / {
      print
      file = folder "/" ++n
      fresh = (getline line < file) > 0
      if (fresh) {
        print "```"
        do print line
        while ((getline line < file) > 0)
        print "```"
        print "<!-- measured " when " -->"
        skipping = 1
      }
      next
    }
    skipping {
      if (/^<!-- measured .*-->$/) skipping = 0
      next
    }
    { print }
  ' "$1" >"$work/page"
  cat "$work/page" >"$1"
}

regenerate() {
  local page=$1 only=${2-} number parts command failed=0
  rm -f "$work"/[0-9]*
  while IFS=$'\t' read -r number parts command; do
    [[ $command == *"$only"* ]] || continue
    run "$number" "$parts" "$command" || failed=1
  done < <(commands_of "$page")
  put "$page"
  return "$failed"
}

if (($# > 2)); then
  echo "usage: docs/lessons/regenerate.sh [PAGE.md [TEXT]]" >&2
  exit 2
fi
if (($# > 0)); then
  regenerate "$@"
else
  status=0
  for page in "$root"/docs/lessons/[1-7]-*.md; do regenerate "$page" || status=1; done
  exit "$status"
fi
