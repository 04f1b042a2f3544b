// See rows.h.
#include "rows.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <weft/metrics.h>

#include "format.h"

namespace samples {
namespace {

std::optional<uint64_t> number(const weft::metrics::value& v) {
  if (v.kind() != weft::metrics::value_kind::uint64) return std::nullopt;
  return v.as_uint64();
}

std::string text_of(const figure& f, std::optional<uint64_t> value, std::optional<uint64_t> per) {
  if (!value) return "-";
  if (f.bytes) return with_commas((*value + 512) / 1024) + " KiB";
  if (f.per.empty()) return with_commas(*value);
  return per.value_or(0) == 0 ? "-" : fixed(static_cast<double>(*value) / static_cast<double>(*per), 2);
}

}  // namespace

void add_row(std::string& to, std::string_view label, std::string_view text) {
  constexpr std::size_t label_columns = 16;
  to.append("  ").append(label);
  to.append(label.size() < label_columns ? label_columns - label.size() : 1, ' ');
  to.append(text).append("\n");
}

std::string figure_rows(const weft::runtime& rt, std::span<const figure> figures) {
  std::vector<weft::metrics::sample> samples;  // two of each, the second one empty if it is not divided
  for (const figure& f : figures) {
    samples.push_back({f.metric});
    samples.push_back({f.per});
  }
  weft::metrics::read(rt, samples);
  std::string text;
  std::string row;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const figure& f = figures[i];
    row.append(row.empty() ? "" : ", ");
    row.append(text_of(f, number(samples[2 * i].value), number(samples[2 * i + 1].value)));
    if (!f.what.empty()) row.append(" ").append(f.what);
    if (i + 1 < figures.size() && figures[i + 1].label == f.label) continue;
    add_row(text, f.label, row);
    row.clear();
  }
  return text;
}

}  // namespace samples
