// Records as JSON, and the figures that are taken from distributions.
#include "record.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace weft_lab {

using nlohmann::json;

namespace {

constexpr int sub_bucket_bits = 3;

// The bounds of the bucket that a value is in.
std::pair<double, double> bounds_of(uint64_t ns) {
  constexpr uint64_t sub_buckets = uint64_t{1} << sub_bucket_bits;
  if (ns < sub_buckets) return {static_cast<double>(ns), static_cast<double>(ns + 1)};
  const int shift = static_cast<int>(std::bit_width(ns)) - 1 - sub_bucket_bits;
  const double from = std::ldexp(static_cast<double>(ns >> shift), shift);
  return {from, from + std::ldexp(1.0, shift)};
}

// The value below which a share of the counted ones lies: the middle of the bucket that it is in, or its finite bound.
double quantile_of(const json& counts, double total, double share) {
  double before = 0;
  for (const json& bucket : counts) {
    before += bucket[2].get<double>();
    if (before < share * total) continue;
    const double from = bucket[0].is_number() ? bucket[0].get<double>() : std::numeric_limits<double>::quiet_NaN();
    const double to = bucket[1].is_number() ? bucket[1].get<double>() : std::numeric_limits<double>::quiet_NaN();
    if (std::isnan(from)) return to;
    if (std::isnan(to)) return from;
    return (from + to) / 2;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

bool is_bucket(const json& j) {
  return j.is_array() && j.size() == 3 && (j[0].is_number() || j[0].is_null()) &&
         (j[1].is_number() || j[1].is_null()) && j[2].is_number();
}

absl::Status not_metrics(const std::string& name) {
  return absl::InvalidArgumentError("not what weft::metrics::to_json() writes: the value of \"" + name + "\"");
}

absl::Status add_histogram(const std::string& name, const json& value, figures& out) {
  const auto counts = value.find("counts");
  if (counts == value.end() || !counts->is_array() || !std::ranges::all_of(*counts, is_bucket))
    return not_metrics(name);
  double total = 0;
  for (const json& bucket : *counts) total += bucket[2].get<double>();
  out[name + "#count"] = total;
  if (total > 0) {
    out[name + "#p50"] = quantile_of(*counts, total, 0.5);
    out[name + "#p99"] = quantile_of(*counts, total, 0.99);
  }
  return absl::OkStatus();
}

}  // namespace

double figure(const record& r, std::string_view name) {
  const auto found = r.values.find(name);
  return found == r.values.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
}

std::vector<latency_bucket> make_buckets(const std::vector<uint64_t>& latencies_ns) {
  std::map<double, latency_bucket> buckets;
  for (const uint64_t ns : latencies_ns) {
    const auto [from, to] = bounds_of(ns);
    latency_bucket& b = buckets[from];
    b.from_ns = from;
    b.to_ns = to;
    ++b.count;
  }
  std::vector<latency_bucket> list;
  for (const auto& [from, bucket] : buckets) list.push_back(bucket);
  return list;
}

void add_percentiles(std::vector<uint64_t>& latencies_ns, figures& out) {
  if (latencies_ns.empty()) return;
  std::ranges::sort(latencies_ns);
  constexpr std::array<std::pair<const char*, double>, 4> shares{
      {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}}};
  const auto last = static_cast<double>(latencies_ns.size() - 1);
  for (const auto& [name, share] : shares) {
    // The nearest rank: a latency that occurred.
    const auto rank = static_cast<std::size_t>(std::llround(share * last));
    out[std::string("latency_") + name + "_ns"] = static_cast<double>(latencies_ns[rank]);
  }
  out["latency_max_ns"] = static_cast<double>(latencies_ns.back());
  out["latency_count"] = static_cast<double>(latencies_ns.size());
}

absl::Status add_metrics(const json& metrics, figures& out) {
  if (!metrics.is_object()) return absl::InvalidArgumentError("not what weft::metrics::to_json() writes: no object");
  for (const auto& [name, value] : metrics.items()) {
    if (value.is_number()) {
      out[name] = value.get<double>();
    } else if (value.is_array()) {
      // By processor: the sum says how much, and how evenly is a question for the program.
      double sum = 0;
      for (const json& one : value) {
        if (!one.is_number()) return not_metrics(name);
        sum += one.get<double>();
      }
      out[name] = sum;
    } else if (value.is_object() && value.contains("counts")) {
      if (absl::Status s = add_histogram(name, value, out); !s.ok()) return s;
    } else if (value.is_object()) {
      // By pool, likewise.
      double sum = 0;
      for (const auto& [pool, one] : value.items()) {
        if (!one.is_number()) return not_metrics(name);
        sum += one.get<double>();
      }
      out[name] = sum;
    } else {
      return not_metrics(name);
    }
  }
  return absl::OkStatus();
}

json to_json(const record& r) {
  json values = json::object();
  for (const auto& [name, value] : r.values)
    if (std::isfinite(value)) values[name] = value;
  json latencies = json::array();
  for (const latency_bucket& b : r.latencies) latencies.push_back({b.from_ns, b.to_ns, b.count});
  return {{"figures", values}, {"latencies", latencies}, {"stragglers", r.stragglers}, {"places", r.places}};
}

absl::StatusOr<record> record_from_json(const json& j) {
  record r;
  try {
    for (const auto& [name, value] : j.at("figures").items()) r.values[name] = value.get<double>();
    for (const json& b : j.at("latencies"))
      r.latencies.push_back({b.at(0).get<double>(), b.at(1).get<double>(), b.at(2).get<uint64_t>()});
    r.stragglers = j.at("stragglers").get<std::vector<std::string>>();
    r.places = j.at("places").get<std::vector<std::string>>();
  } catch (const json::exception& e) {
    return absl::InvalidArgumentError(std::string("not a record of a run: ") + e.what());
  }
  return r;
}

}  // namespace weft_lab
