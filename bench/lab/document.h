// What a command measured, in one piece: what reports are made from, and what their JSON holds.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "check.h"
#include "record.h"
#include "stats.h"
#include "variant.h"

namespace weft_lab {

/// One side's runs, and what they were made with.
struct side {
  std::string text;                                           ///< as typed: "ping-pong --run-next=off"
  std::string judged;                                         ///< the figure that decides
  std::string unit;                                           ///< of an operation: "round trip"
  std::vector<std::pair<std::string, std::string>> settings;  ///< every choice and parameter in force
  std::vector<record> runs;
};

struct document {
  std::string kind;     ///< "run", "compare", "sweep"
  std::string command;  ///< the whole command line
  std::string started;  ///< UTC, 2026-11-25T10:00:00Z
  std::vector<std::string> machine;
  std::vector<side> sides;  ///< the first is what the others are compared to
  std::string swept;        ///< of a sweep: the option's name
  std::vector<std::string> swept_values;
  std::vector<std::string> warnings;
  std::string ended;    ///< why the rounds ended
  std::string failure;  ///< empty, or what went wrong
  double level = criteria{}.level;
  uint64_t seed = 1;
};

/// Measures the sides, A first.
using measurer = std::function<document(const std::vector<variant>& sides)>;

/// A line of a table.
struct row {
  std::string figure;  ///< its name in records
  std::string what;    ///< for people
  std::string unit;    ///< for show()
  bool judged = false;
  bool own = false;  ///< the workload measured it, not the lab
};

/// The figures worth a line that any of the sides has; what decides comes first.
std::vector<row> rows_of(const document& d);

/// Side `i` against the first, by a row's figure. What decides has the document's level; all else 99.9%, because there
/// are many rows.
comparison compare_row(const document& d, const row& r, std::size_t i);

/// "slower", "faster", "more", "less", "no measurable difference": the verdict in the words of the figure.
std::string word_for(const row& r, verdict v);

/// One sentence: what the comparison of side `i` with the first found.
std::string conclusion(const document& d, std::size_t i);

/// The practical check of a comparison; empty unless it has two sides with rounds.
std::vector<answer> check_of(const document& d);

nlohmann::json to_json(const document& d);

/// INVALID_ARGUMENT with what is wrong.
absl::StatusOr<document> document_from_json(const nlohmann::json& j);

/// side,variant,round,figure,value: a line for each figure of each run.
std::string to_csv(const document& d);

/// Tables for a terminal.
std::string to_text(const document& d);

/// One file, without links to anything.
std::string to_html(const document& d);

}  // namespace weft_lab
