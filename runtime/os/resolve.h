// The system's resolver of names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weft::os {

enum class resolve_outcome : uint8_t { found, no_such_name, try_again, malformed, failed };

struct resolved_address {
  alignas(8) std::array<std::byte, 112> bytes;
  std::size_t size;
};

/// Blocks the calling thread. `why`: the resolver's words.
resolve_outcome resolve(const std::string& host, const std::string& service, std::vector<resolved_address>& out,
                        std::string& why);

}  // namespace weft::os
