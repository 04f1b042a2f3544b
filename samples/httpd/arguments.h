// What the command line asks for.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace httpd {

struct arguments {
  std::string root;
  std::string listen = "127.0.0.1:8080";
  int connections_most = 1024;
  std::size_t line_bytes_most = 4096;
  std::size_t head_bytes_most = 8192;
  int fields_most = 100;
  std::chrono::milliseconds idle_timeout{15'000};
  std::chrono::milliseconds head_timeout{10'000};
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds drain_time{10'000};
  std::chrono::milliseconds cache_time{1'000};
  std::size_t cache_bytes = std::size_t{64} << 20;
  bool quiet = false;
  bool help = false;
};

/// Error: INVALID_ARGUMENT that names the word and what is allowed.
absl::StatusOr<arguments> parse_arguments(std::span<char* const> words);

std::string_view help_text() noexcept;

}  // namespace httpd
