// The choices: every constant of the scheduler and the memory that the lab can set, one option on the command line
// each.
//
// A choice names a field of weft::options. To add one, append it to the list in choice.cc; its name must differ from
// those of parameters and of the lab's own options, and a test checks that it can be set to what it says is allowed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <weft/options.h>

#include "absl/status/status.h"

namespace weft_lab {

/// What a run's runtime is made from.
struct settings {
  weft::options options;
};

/// What a choice is known to do: a comparison that the slow test `expectations` runs as `weft-lab compare COMMAND`.
struct expectation {
  /// `slower`: B is slower than A, by what the workload is judged by. `none`: no measurable difference.
  enum class effect : uint8_t { slower, faster, none };
  std::string_view command;  ///< "ping-pong vs --run-next=off"
  effect expected;
  std::string_view because;
};

struct choice {
  std::string name;                ///< as typed, without the dashes
  std::string allowed;             ///< for people: "on or off", "1 to 1000000"
  std::string meaning;             ///< one line
  std::vector<std::string> swept;  ///< values worth a look: what `sweep` takes unless it is told
  std::function<std::string(const settings&)> get;
  /// INVALID_ARGUMENT, with a message that names the choice, the value and what is allowed.
  std::function<absl::Status(std::string_view value, settings& out)> set;
  std::vector<expectation> expectations = {};
};

/// In the order of `weft-lab list`.
const std::vector<choice>& all_choices();

/// Null: there is none of that name.
const choice* find_choice(std::string_view name);

}  // namespace weft_lab
