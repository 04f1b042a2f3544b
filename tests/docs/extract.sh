#!/usr/bin/env bash
# Takes the C++ blocks out of a page: extract.sh PAGE.md FOLDER
#
# A block whose first line is "// name.cc" is a program and becomes FOLDER/name.cc; if a plain block (```) with its
# output is the next block of the page, that becomes FOLDER/name.out. The others are parts of a program, which a test
# includes where they compile: FOLDER/PAGE_1.inc, FOLDER/PAGE_2.inc, ... Prints the programs' names.
set -euo pipefail
page=$1 folder=$2
mkdir -p "$folder"
awk -v stem="$folder/$(basename "$page" .md)" -v folder="$folder" '
  !inside && /^```/ {
    inside = 1
    to = ""
    if ($0 == "```cpp") first = 1
    else if ($0 == "```" && program != "") to = folder "/" program ".out"
    if ($0 != "```cpp") program = ""
    next
  }
  inside && /^```$/ {
    inside = 0
    if (to != "") close(to)
    next
  }
  !inside { next }
  first {
    first = 0
    program = ""
    if ($0 ~ /^\/\/ [a-z_]+\.cc$/) {
      program = substr($2, 1, length($2) - 3)
      print program
      to = folder "/" program ".cc"
    } else {
      to = stem "_" ++parts ".inc"
    }
    printf "" > to
  }
  to != "" { print > to }
' "$page"
