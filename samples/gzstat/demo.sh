#!/usr/bin/env bash
# Runs gzstat over the .gz files of this machine's documentation, and checks its totals against zcat, wc and grep; then
# with a deadline, with a damaged file, and with the work done in more and more stages.
#
#   samples/gzstat/demo.sh GZSTAT [FOLDER]
#
# Slim images have no .gz files there: then some are made of the machine's own text files, and it says so.
# Exits with 0 when every total agrees, 1 when one does not, 2 when there is nothing to run.
set -euo pipefail
export LC_ALL=C  # grep takes every byte as text, as gzstat does

if (($# < 1 || $# > 2)) || [[ ! -x $1 ]]; then
  echo "usage: samples/gzstat/demo.sh GZSTAT [FOLDER]" >&2
  exit 2
fi
gzstat=$1
folder=${2-/usr/share/doc}

bold= green= red= plain=
if [[ -t 1 ]]; then bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mismatches=0

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# make_files: fills $work/made with .gz files and a changelog.
make_files() {
  local n=0 file
  mkdir "$work/made"
  while IFS= read -r file; do
    gzip -c "$file" >"$work/made/$n.gz" || continue
    n=$((n + 1))
  done < <(find /etc /usr/share /usr/include -xdev -type f -readable -size -200k -name '*[a-z]' 2>/dev/null |
    head -2000)
  for ((n = 20; n > 0; --n)); do
    printf 'demo (%d) unstable; urgency=medium\n\n  * A change.\n\n' "$n"
    printf ' -- A Maintainer <maintainer@body.example>  Mon, 01 Jan 2024 12:00:00 +0000\n\n'
  done | gzip >"$work/made/changelog.gz"
}

# show STATUS ARGS...: runs gzstat, which must end with a status of that pattern, and prints the first lines of its
# results and its report; both are left in $work/results and $work/report.
show() {
  local wanted=$1 status=0
  shift
  title "gzstat $*"
  "$gzstat" "$@" >"$work/results" 2>"$work/report" || status=$?
  head -14 "$work/results"
  local more=$(($(wc -l <"$work/results") - 14))
  if ((more > 0)); then echo "... and $more more lines"; fi
  echo
  cat "$work/report"
  if [[ $status != $wanted ]]; then  # unquoted: a pattern
    echo "${red}gzstat ended with status $status, expected $wanted${plain}"
    exit 1
  fi
}

result() { awk -v what="$1" '{ n = $1; sub(/^ *[0-9]+ /, ""); if ($0 == what) { print n; exit } }' "$work/results"; }

# check WHAT THEIRS BY: prints both numbers, and whether they are the same.
check() {
  local ours verdict="${green}OK${plain}"
  ours=$(result "$1")
  if [[ $ours != "$2" ]]; then
    verdict="${red}MISMATCH${plain}"
    mismatches=$((mismatches + 1))
  fi
  printf '  %-22s %14s %14s  %-22s %s\n' "$1" "$ours" "$2" "$3" "$verdict"
}

# zcat_each: the texts of the listed files, a newline after each, so that no word goes on in the next one.
zcat_each() { xargs -0r -n 1 sh -c 'zcat -- "$0"; echo' <"$work/files"; }

# accounted: whether every file that was found was done, bad, in flight or not begun.
accounted() {
  local row
  row=$(grep '^  files ' "$work/report" | tr -d ,)
  awk -v row="$row" 'BEGIN {
    match(row, /[0-9]+ found/); found = substr(row, RSTART) + 0
    match(row, /[0-9]+ done/); all = substr(row, RSTART) + 0
    match(row, /[0-9]+ bad/); all += substr(row, RSTART) + 0
    match(row, /[0-9]+ in flight/); all += substr(row, RSTART) + 0
    match(row, /[0-9]+ not begun/); all += substr(row, RSTART) + 0
    exit found != all
  }'
}

if [[ ! -d $folder || -z $(find "$folder" -name '*.gz' -type f -size +0 -print -quit) ]]; then
  echo "There are no .gz files in $folder; this makes some of the text files below /etc, /usr/share and /usr/include."
  make_files
  folder=$work/made
fi

show 0 "$folder"
find "$folder" -name '*.gz' -type f -print0 >"$work/files"
title "$(printf '  %-22s %14s %14s' "the totals" gzstat "counted by")"
check "files" "$(tr -dc '\0' <"$work/files" | wc -c)" "find"
check "compressed bytes" "$(xargs -0r cat <"$work/files" | wc -c)" "cat | wc -c"
check "bytes" "$(xargs -0r zcat <"$work/files" | wc -c)" "zcat | wc -c"
check "lines" "$(xargs -0r zcat <"$work/files" | wc -l)" "zcat | wc -l"
check "words" "$(zcat_each | tr '\t\v\f\r ' '[\n*]' | grep -acv '^$')" "zcat | tr | grep -c"
check "changelog entries" \
  "$(zcat_each | grep -acE '^[A-Za-z0-9][A-Za-z0-9+.-]* \([^() ]+\)[^;]*;.*urgency=[A-Za-z]')" "zcat | grep -c"
check "changes in them" "$(zcat_each | grep -ac '^  \* ')" "zcat | grep -c"

show "[03]" --top 0 --deadline 20ms "$folder"  # a small folder may be done by then
if ! accounted; then mismatches=$((mismatches + 1)) && echo "${red}Not every file is accounted for.${plain}"; fi

seq 1 10000 | gzip | head -c 10000 >"$work/damaged.gz"
show 1 --top 0 "$work/damaged.gz" "$folder"
if ! accounted; then mismatches=$((mismatches + 1)) && echo "${red}Not every file is accounted for.${plain}"; fi

title "gzstat --costs --rounds 3, the first 400 files"
head -z -n 400 "$work/files" | xargs -0 -x -s 1000000 "$gzstat" --costs --rounds 3

if ((mismatches != 0)); then
  printf '\n%s%d of the totals do not agree%s\n' "$red" "$mismatches" "$plain"
  exit 1
fi
printf '\n%sAll totals agree, and every file is accounted for.%s\n' "$green" "$plain"
