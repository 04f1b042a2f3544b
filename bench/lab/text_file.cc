// Not with a std::ifstream, which does not say why it fails, and whose buffer throws if the file is a directory.
#include "text_file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace weft_lab {

absl::StatusOr<std::string> read_file(const std::string& path) {
  const auto failed = [&path](int error) {
    return absl::Status(error == ENOENT ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument,
                        "cannot read '" + path + "': " + std::strerror(error));
  };
  struct closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, closer> file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return failed(errno);
  std::string text;
  std::array<char, 65536> some;
  while (const std::size_t n = std::fread(some.data(), 1, some.size(), file.get())) text.append(some.data(), n);
  if (std::ferror(file.get()) != 0) return failed(errno);
  return text;
}

}  // namespace weft_lab
