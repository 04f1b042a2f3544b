#!/usr/bin/env bash
# Installs weft into a temporary folder and builds a stranger's project against it in all four ways: static and
# shared library, through find_package and through pkg-config with one compiler line.
#
#   tests/install/run.sh BUILD_DIR
#
# BUILD_DIR is a finished build of weft. The kind of library that it does not hold is built in
# BUILD_DIR/install_test, with the same compiler and build type.
set -euo pipefail

if (($# != 1)) || [[ ! -f $1/CMakeCache.txt ]]; then
  echo "usage: $0 BUILD_DIR (a folder that cmake has configured)" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)

# Prints the value of a variable in BUILD_DIR's cache.
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }

compiler=$(cached CMAKE_CXX_COMPILER)
build_type=$(cached CMAKE_BUILD_TYPE)
generator=$(cached CMAKE_GENERATOR)
if [[ $(cached BUILD_SHARED_LIBS) == ON ]]; then
  built=shared other=static other_shared=OFF
else
  built=static other=shared other_shared=ON
fi
jobs=$(nproc)

temp=$(mktemp -d "${TMPDIR:-/tmp}/weft_install.XXXXXX")
trap 'rm -rf "$temp"' EXIT

say() { echo "install: $*"; }

# Runs a command quietly; shows what it printed only when it fails.
quietly() {
  if ! "$@" >"$temp/log" 2>&1; then
    cat "$temp/log"
    say "FAILED: $*"
    exit 1
  fi
}

# install_from BUILD_DIR KIND: installs, then moves the tree, which must not matter to those who use it.
install_from() {
  quietly cmake --install "$1" --prefix "$temp/before/$2"
  mv "$temp/before/$2" "$temp/$2"
  say "$2 library installed"
}

# check_program FILE KIND: runs the stranger's program and checks that it got the kind of library it asked for.
check_program() {
  if ! LD_LIBRARY_PATH=$lib_dir "$1"; then
    say "FAILED: $1 exits with an error"
    exit 1
  fi
  # Not through a pipe: one whose reader leaves early can end with the writer's error.
  local needs=static libraries
  libraries=$(LD_LIBRARY_PATH=$lib_dir ldd "$1")
  if [[ $libraries == *libweft* ]]; then needs=shared; fi
  if [[ $needs != "$2" ]]; then
    say "FAILED: $1 uses the $needs library, not the $2 one"
    exit 1
  fi
}

through_find_package() {
  quietly cmake -S "$here/stranger" -B "$temp/$1-cmake" -G "$generator" -DCMAKE_BUILD_TYPE="$build_type" \
    -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$temp/$1"
  quietly cmake --build "$temp/$1-cmake"
  check_program "$temp/$1-cmake/stranger" "$1"
  check_program "$temp/$1-cmake/counted" "$1"
  say "$1 library, find_package: works"
}

through_pkg_config() {
  local program=$temp/$1-pkg-config flags
  flags=$(PKG_CONFIG_PATH=$lib_dir/pkgconfig pkg-config --cflags --libs weft)
  # Unquoted on purpose: these are words of a command line.
  # shellcheck disable=SC2086
  quietly "$compiler" -std=c++20 -O2 "$here/stranger/main.cc" -o "$program" $flags
  check_program "$program" "$1"
  flags=$(PKG_CONFIG_PATH=$lib_dir/pkgconfig pkg-config --cflags --libs weft_counting_allocator)
  # shellcheck disable=SC2086
  quietly "$compiler" -std=c++20 -O2 "$here/stranger/counted.cc" -o "$program-counted" $flags
  check_program "$program-counted" "$1"
  say "$1 library, pkg-config: works"
}

mkdir "$temp/before"
install_from "$build" "$built"

quietly cmake -S "$source_dir" -B "$build/install_test" -G "$generator" -DCMAKE_BUILD_TYPE="$build_type" \
  -DCMAKE_CXX_COMPILER="$compiler" -DBUILD_SHARED_LIBS=$other_shared \
  -DWEFT_BUILD_TESTS=OFF -DWEFT_BUILD_BENCH=OFF -DWEFT_BUILD_SAMPLES=OFF
quietly cmake --build "$build/install_test" -j "$jobs"
install_from "$build/install_test" "$other"

for kind in static shared; do
  lib_dir=$(dirname "$(find "$temp/$kind" -name 'libweft.*' | head -n 1)")
  through_find_package $kind
  through_pkg_config $kind
done
say "all four ways work"
