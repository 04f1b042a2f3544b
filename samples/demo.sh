#!/usr/bin/env bash
# Runs textscan over this machine's own header files, and checks its totals against find, grep and wc.
#
#   samples/demo.sh TEXTSCAN [DIRECTORY]
#
# Exits with 0 when every total agrees, 1 when one does not, 2 when there is nothing to run or to scan.
set -euo pipefail
export LC_ALL=C  # grep takes every byte as text, as textscan does

text=mutex
directory=${2-/usr/include}
if (($# < 1 || $# > 2)) || [[ ! -x $1 ]]; then
  echo "usage: samples/demo.sh TEXTSCAN [DIRECTORY]" >&2
  exit 2
fi
if [[ ! -d $directory ]]; then
  echo "samples/demo.sh: there is no directory $directory to scan" >&2
  exit 2
fi
textscan=$1

bold= green= red= plain=
if [[ -t 1 ]]; then bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mismatches=0

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# show NAME ARGS...: runs textscan, with its results in $work/NAME and its report in $work/NAME.report, and prints both.
show() {
  local name=$1 status=0
  shift
  title "textscan $*"
  "$textscan" "$@" >"$work/$name" 2>"$work/$name.report" || status=$?
  if ((status > 1)); then
    cat "$work/$name.report"
    echo "${red}textscan failed with status $status${plain}"
    exit 1
  fi
  head -10 "$work/$name"
  local more=$(($(wc -l <"$work/$name") - 10))
  if ((more > 0)); then echo "... and $more more"; fi
  echo
  cat "$work/$name.report"
}

# reported NAME PATTERN: the number that stands before PATTERN in a report; 0 if it says nothing of it.
reported() {
  local number
  number=$(sed -nE "s/(^|.* )([0-9,]+) $2.*/\2/p" "$work/$1.report" | head -1 | tr -d ,)
  echo "${number:-0}"
}

# check WHAT OURS THEIRS BY: prints both numbers, and whether they are the same.
check() {
  local verdict="${green}OK${plain}"
  if [[ $2 != "$3" ]]; then
    verdict="${red}MISMATCH${plain}"
    mismatches=$((mismatches + 1))
  fi
  printf '  %-22s %14s %14s  %-14s %s\n' "$1" "$2" "$3" "$4" "$verdict"
}

sum() { awk '{ n += $1 } END { printf "%.0f\n", n }'; }

show words "$directory"
show lines --lines "$directory"
show search --search "$text" "$directory"

title "$(printf '  %-22s %14s %14s' "the totals" textscan "counted by")"
# What textscan takes for binary is left out on both sides: grep -I skips those files too.
grep -rIL --null '\(\)' "$directory" >"$work/odd" || true  # binary and empty files match no pattern
tr '\0' '\n' <"$work/odd" >"$work/odd.lines"
find "$directory" -type f -print0 >"$work/all"
tr '\0' '\n' <"$work/all" | sort >"$work/all.lines"
sort "$work/odd.lines" | comm -23 "$work/all.lines" - | tr '\n' '\0' >"$work/text"

found=$(($(reported lines 'files?') + $(reported lines 'binary files?')))
check "files" "$found" "$(tr -dc '\0' <"$work/all" | wc -c)" "find -type f"
check "bytes" "$(reported lines 'bytes')" "$(xargs -0r stat -c %s <"$work/text" | sum)" "stat"
check "symbolic links" "$(reported lines 'symbolic links?')" "$(find "$directory" -type l | wc -l)" "find -type l"
check "lines" "$(cat "$work/lines")" "$(xargs -0r grep -hac '' <"$work/text" | sum)" "grep -c ''"
check "  ended by a newline" "$(($(cat "$work/lines") - $(reported lines 'of them without')))" \
  "$(xargs -0r cat <"$work/text" | wc -l)" "wc -l"
check "lines with '$text'" "$(cut -d: -f2- <"$work/search" | awk -F: '{ print $NF }' | sum)" \
  "$(grep -rIhcF -- "$text" "$directory" | sum)" "grep -rc"
check "files with '$text'" "$(wc -l <"$work/search")" \
  "$(grep -rIlF -- "$text" "$directory" | wc -l)" "grep -rl"
word=$(awk 'NR == 1 { print $2 }' "$work/words")
check "the word '$word'" "$(awk 'NR == 1 { print $1 }' "$work/words")" \
  "$(xargs -0r grep -hawoF -- "$word" <"$work/text" | wc -l)" "grep -wo"

if ((mismatches != 0)); then
  printf '\n%s%d of the totals do not agree%s\n' "$red" "$mismatches" "$plain"
  exit 1
fi
printf '\n%sAll totals agree.%s\n' "$green" "$plain"
