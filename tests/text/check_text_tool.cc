// Prints what breaks the text rules of check_text.h in a source tree: `check_text_tool ROOT`.
//
// Exit status: 0 nothing found, 1 something found, 2 wrong arguments.
#include <cstdio>
#include <exception>
#include <filesystem>

#include "text/check_text.h"

int main(int argc, char** argv) {
  if (argc != 2 || !std::filesystem::is_regular_file(std::filesystem::path(argv[1]) / "runtime" / "LAYERS")) {
    std::fprintf(stderr, "usage: %s ROOT   (the folder that holds runtime/LAYERS)\n", argv[0]);
    return 2;
  }
  try {
    const auto findings = weft::check_text::check_tree(argv[1]);
    for (const auto& f : findings) std::printf("%s\n", to_string(f).c_str());
    if (findings.empty()) return 0;
    std::printf("%zu places break a rule; tests/text/check_text.h states the rules\n", findings.size());
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "check_text_tool: %s\n", e.what());
    return 2;
  }
}
