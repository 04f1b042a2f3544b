// Reads the command line of weft-lab and runs what it asks for.
#include "commands.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

#include "child.h"

namespace weft_lab {

namespace {

int fail(const absl::Status& s) {
  std::fprintf(stderr, "weft-lab: %s\n", std::string(s.message()).c_str());
  return s.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}

int run_once(int argc, char** argv) {
  if (argc < 3) return fail(absl::InvalidArgumentError("run needs a workload"));
  absl::StatusOr<variant> v = variant_of(argv[2]);
  if (!v.ok()) return fail(v.status());
  for (int i = 3; i < argc; ++i) {
    const std::string_view word(argv[i]);
    const std::size_t equals = word.find('=');
    if (!word.starts_with("--") || equals == word.npos)
      return fail(absl::InvalidArgumentError("expected --NAME=VALUE, not '" + std::string(word) + "'"));
    if (absl::Status s = assign(*v, word.substr(2, equals - 2), word.substr(equals + 1)); !s.ok()) return fail(s);
  }
  absl::StatusOr<record> r = run_here(*v, 1);
  if (!r.ok()) return fail(r.status());
  std::puts(to_json(*r).dump(2).c_str());
  return 0;
}

}  // namespace

int run_command(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "run") return run_once(argc, argv);
  return fail(absl::InvalidArgumentError("usage: weft-lab run WORKLOAD [--NAME=VALUE...]"));
}

}  // namespace weft_lab
