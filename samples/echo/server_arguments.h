// The command line of echo_server.
#pragma once

#include <span>
#include <string_view>

#include "absl/status/statusor.h"

#include <weft/options.h>
#include <weft/socket_address.h>

namespace echo {

struct server_arguments {
  weft::socket_address listen = weft::socket_address::loopback(7007);
  int processors = weft::options::automatic;
  bool quiet = false;
  bool help = false;
};

/// Errors name the word and what is allowed.
absl::StatusOr<server_arguments> parse_server_arguments(std::span<char* const> words);
std::string_view server_help() noexcept;

}  // namespace echo
