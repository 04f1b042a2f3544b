// The command line, taken apart.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "session.h"
#include "variant.h"

namespace weft_lab {

/// Options of the lab itself: `--name=value`, `--name value`, or for switches `--name`.
struct lab_options {
  double precision = 0.02;
  std::chrono::nanoseconds time = std::chrono::seconds(30);
  std::size_t rounds = 0;                                        ///< exactly so many; 0: as many as the precision needs
  std::chrono::nanoseconds patience = std::chrono::seconds(60);  ///< for one run
  uint64_t seed = 1;
  std::string json;
  std::string csv;
  std::string html;
  bool quiet = false;
  bool help = false;
};

/// The words behind the command's name.
struct command_line {
  lab_options lab;
  std::vector<std::string> words;  ///< that are no options, before `vs`
  /// Options that are not the lab's, in order; the value is empty where there was none.
  std::vector<std::pair<std::string, std::string>> given;
  bool has_vs = false;
  std::vector<std::string> words_b;  ///< the same behind `vs`
  std::vector<std::pair<std::string, std::string>> given_b;
};

/// A line of `weft-lab help`.
struct lab_option {
  std::string_view name;
  std::string_view value;  ///< what stands for the value; empty: a switch
  std::string_view meaning;
};

const std::vector<lab_option>& lab_option_list();

/// INVALID_ARGUMENT that says what is wrong and what is allowed.
absl::StatusOr<command_line> parse_command_line(const std::vector<std::string>& words);

/// The variant on one side: `first` is its workload's name; the options are choices, parameters, and of the workload
/// `replay` trace and volume.
absl::StatusOr<variant> make_variant(std::string_view workload_name,
                                     const std::vector<std::pair<std::string, std::string>>& given);

/// Sets one option of a variant, `trace` and `volume` too.
absl::Status set_option(variant& v, const std::string& name, const std::string& value);

}  // namespace weft_lab
