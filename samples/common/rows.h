// Rows of a report: "  label           text", with the runtime's figures among them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <weft/runtime.h>

namespace samples {

void add_row(std::string& to, std::string_view label, std::string_view text);

/// A part of a row: "<value> <what>".
struct figure {
  std::string_view label;
  std::string_view metric;
  std::string_view what;
  bool bytes = false;         // in KiB
  std::string_view per = "";  // a metric that it is divided by
};

/// What these metrics are now. Figures of one label that stand side by side are on one row. What is not known is "-".
[[nodiscard]] std::string figure_rows(const weft::runtime& rt, std::span<const figure> figures);

}  // namespace samples
