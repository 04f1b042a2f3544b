// The command line of echo_load.
#pragma once

#include <chrono>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"

#include <weft/options.h>
#include <weft/socket_address.h>

namespace echo {

struct load_arguments {
  weft::socket_address server = weft::socket_address::loopback(7007);
  int connections = 100;
  int idle = 0;  // more connections, which only stay open
  int bytes = 64;
  int depth = 1;
  std::chrono::nanoseconds duration = std::chrono::seconds(2);
  std::chrono::nanoseconds warm_up = std::chrono::milliseconds(200);
  int processors = weft::options::automatic;
  bool brief = false;
  bool quiet = false;
  bool help = false;
};

/// Errors name the word and what is allowed.
absl::StatusOr<load_arguments> parse_load_arguments(std::span<char* const> words);
std::string_view load_help() noexcept;

}  // namespace echo
