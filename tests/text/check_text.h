// Checks the text of a source tree against the rules that a compiler does not see.
//
//   purpose   every source file and script opens with a comment that says what it is for
//   order     every memory order has a comment on its line or within the four lines above it; inside the library
//             every atomic operation names its order
//   layers    runtime/LAYERS lists every public header; no include points to a higher layer, only the layer os
//             includes system headers, and nobody outside runtime/ and tests/ includes what is not installed
//   lists     every .cc file is named in a CMakeLists.txt; every file is of a kind that is known here
//   tests     every test that a page in docs/ names, `Suite.Test` in backquotes, is written in tests/
//   layout    120 columns, no tabs, no trailing space, and no TODO that does not ask (who? what?)
//
// The rules look at text, with strings and comments told apart from code; they do not parse C++.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace weft::check_text {

/// One broken rule. `line` counts from 1; 0 means the file as a whole.
struct finding {
  std::string path;
  int line = 0;
  std::string message;
};

/// Returns what is wrong in the tree below `root`, ordered by path and line.
[[nodiscard]] std::vector<finding> check_tree(const std::filesystem::path& root);

/// Returns `path:line: message`, the form that editors jump to.
[[nodiscard]] std::string to_string(const finding& f);

}  // namespace weft::check_text
