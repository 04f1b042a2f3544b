#!/usr/bin/env bash
# Serves this machine's headers with httpd for a moment, gets some of them with curl, compares them with the files, and
# ends it with SIGTERM while a download is under way.
#
#   samples/httpd/demo.sh HTTPD [FOLDER]
#
# Exits with 0 when everything that came was right, 1 when not, 2 when there is nothing to run.
set -euo pipefail

if (($# < 1 || $# > 2)) || [[ ! -x $1 ]]; then
  echo "usage: samples/httpd/demo.sh HTTPD [FOLDER]" >&2
  exit 2
fi
httpd=$1
folder=${2-/usr/include}

bold= green= red= plain=
if [[ -t 1 ]]; then bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; fi

work=$(mktemp -d)
server=
clean_up() {
  if [[ -n $server ]]; then kill -s KILL "$server" && wait "$server" 2>/dev/null; fi || true
  rm -rf "$work"
}
trap clean_up EXIT
mismatches=0

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
verdict() { # WHETHER WHAT
  if [[ $1 == 0 ]]; then
    printf '  %-60s %sOK%s\n' "$2" "$green" "$plain"
  else
    printf '  %-60s %sWRONG%s\n' "$2" "$red" "$plain"
    mismatches=$((mismatches + 1))
  fi
}

# start FOLDER: starts the server on a free port; sets $url.
start() {
  : >"$work/announced"
  "$httpd" --listen 127.0.0.1:0 "$1" >"$work/announced" &
  server=$!
  until [[ -s $work/announced ]]; do
    kill -0 "$server" 2>/dev/null || exit 1
    sleep 0.05
  done
  cat "$work/announced"
  url=$(sed -nE 's|.* on (http://.*)/$|\1|p' "$work/announced")
}

title "httpd --listen 127.0.0.1:0 $folder"
start "$folder"
n=0
while IFS= read -r file && ((n < 5)); do
  n=$((n + 1))
  same=0
  curl --silent --output "$work/got" "$url/${file#"$folder"/}" && cmp -s "$work/got" "$file" || same=1
  verdict "$same" "GET /${file#"$folder"/}"
done < <(find "$folder" -type f -readable -size +1k 2>/dev/null | grep -E '^[-A-Za-z0-9_./]*$' | grep -v '/\.' |
  sort | head -5)
status=$(curl --silent --output /dev/null --write-out '%{http_code}' --path-as-is "$url/../etc/passwd")
same=0
[[ $status == 400 ]] || same=1
verdict "$same" "GET /../etc/passwd is refused: $status"
kill -TERM "$server"
wait "$server" || mismatches=$((mismatches + 1))
server=

title "SIGTERM while a download is under way"
mkdir "$work/root"
head -c 50000000 /dev/urandom >"$work/root/large"
start "$work/root"
rm "$work/got"
curl --silent --limit-rate 40M --output "$work/got" "$url/large" &
client=$!
until [[ -s $work/got ]]; do sleep 0.01; done
kill -TERM "$server"
same=0
wait "$client" && cmp -s "$work/got" "$work/root/large" || same=1
verdict "$same" "the download came whole"
same=0
wait "$server" || same=1
server=
verdict "$same" "and then the server ended"
((mismatches == 0))
