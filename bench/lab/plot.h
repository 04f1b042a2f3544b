// Small plots as SVG, for reports that are one file.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weft_lab {

struct axis {
  std::string label;
  bool logarithmic = false;  ///< ignored where a value is not positive
};

struct plotted {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< in the order of the line
  bool line = true;                               ///< false: dots only
};

/// An <svg> element with its legend; empty when there is no finite point. All text is escaped.
std::string plot(const std::string& title, axis x, axis y, const std::vector<plotted>& list);

/// For HTML and SVG: & < > and quotes.
std::string escape(const std::string& text);

}  // namespace weft_lab
