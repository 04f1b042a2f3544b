# How weft's own code is compiled: build type, ccache, warnings and sanitizers.
#
# Defines
#   weft_sanitize_flags   the flags that WEFT_SANITIZE asks for, empty without it
#   weft_settings         what every target of this project links privately: warnings and sanitizers
#
# A project that adds weft as a subdirectory keeps its own build type and launcher: those are set at top level only.

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
    message(STATUS "weft: no build type given, building Release")
  endif()

  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

  find_program(WEFT_CCACHE ccache)
  mark_as_advanced(WEFT_CCACHE)
  if(WEFT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # The sloppiness is what ccache asks for where precompiled headers are used.
    set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${WEFT_CCACHE}")
  endif()
endif()

# Coroutines with symmetric transfer need these; older compilers fail in ways that are hard to read.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "weft needs g++ 12 or newer, this is ${CMAKE_CXX_COMPILER_VERSION}")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 17)
  message(FATAL_ERROR "weft needs clang 17 or newer, this is ${CMAKE_CXX_COMPILER_VERSION}")
endif()

set(weft_sanitize_flags "")
if(WEFT_SANITIZE)
  string(REPLACE "," ";" weft_sanitizers "${WEFT_SANITIZE}")
  foreach(sanitizer IN LISTS weft_sanitizers)
    if(NOT sanitizer MATCHES "^(address|undefined|thread)$")
      message(FATAL_ERROR "WEFT_SANITIZE=${WEFT_SANITIZE}: '${sanitizer}' is not one of address, undefined, thread")
    endif()
  endforeach()
  if("address" IN_LIST weft_sanitizers AND "thread" IN_LIST weft_sanitizers)
    message(FATAL_ERROR "WEFT_SANITIZE=${WEFT_SANITIZE}: address and thread cannot be combined")
  endif()
  # The first report ends the program, so that a test cannot pass with one.
  set(weft_sanitize_flags -fsanitize=${WEFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()

add_library(weft_settings INTERFACE)
target_compile_features(weft_settings INTERFACE cxx_std_20)
target_compile_options(weft_settings INTERFACE -Wall -Wextra -Wshadow ${weft_sanitize_flags})
target_link_options(weft_settings INTERFACE ${weft_sanitize_flags})
if(NOT WEFT_METRICS)
  target_compile_definitions(weft_settings INTERFACE WEFT_METRICS=0)
endif()
if(WEFT_COUNT_FRAMES)
  target_compile_definitions(weft_settings INTERFACE WEFT_COUNT_FRAMES=1)
endif()
if(WEFT_WERROR)
  target_compile_options(weft_settings INTERFACE -Werror)
endif()
