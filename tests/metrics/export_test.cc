// What exporters write: read back by a strict parser of the two text formats and of JSON, by Prometheus' own tool where
// it is there, and held against the names that Go's collector uses.
#include <weft/metrics_export.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <weft/weft.h>

#include "support/metrics.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using metrics::text_format;

// A strict parser of both formats -------------------------------------------------------------------------------------

struct one_sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value;
};

struct family {
  std::string type;
  std::string help;
  std::vector<one_sample> samples;
};

[[noreturn]] void malformed(std::string_view what, std::string_view line) {
  throw std::runtime_error(std::string(what) + ": " + std::string(line));
}

bool is_name(std::string_view name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::ranges::all_of(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
}

double number(std::string_view text) {
  if (text == "+Inf") return HUGE_VAL;
  if (text == "-Inf") return -HUGE_VAL;
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size()) malformed("no number", text);
  return v;
}

one_sample parse_sample(std::string_view line) {
  one_sample s;
  const std::size_t end = line.find_first_of("{ ");
  if (end == std::string_view::npos) malformed("no value", line);
  s.name = line.substr(0, end);
  if (!is_name(s.name)) malformed("bad name", line);
  line.remove_prefix(end);
  if (line.front() == '{') {
    const std::size_t close = line.find('}');
    const std::size_t equals = line.find("=\"");
    if (close == std::string_view::npos || equals == std::string_view::npos || line[close - 1] != '"' || equals > close)
      malformed("bad label", line);
    const std::string_view label = line.substr(1, equals - 1);
    if (!is_name(label)) malformed("bad label name", line);
    s.labels.emplace(label, line.substr(equals + 2, close - equals - 3));
    line.remove_prefix(close + 1);
  }
  if (line.empty() || line.front() != ' ') malformed("no space before the value", line);
  s.value = number(line.substr(1));
  return s;
}

void check_histogram(const std::string& name, const family& f) {
  double last_bound = -HUGE_VAL;
  double last_count = 0;
  std::optional<double> count;
  std::optional<double> sum;
  for (const one_sample& s : f.samples) {
    if (s.name == name + "_bucket") {
      if (s.labels.size() != 1 || !s.labels.contains("le")) malformed("a bucket without le", name);
      const double bound = number(s.labels.at("le"));
      if (bound <= last_bound) malformed("bounds do not rise", name);
      if (s.value < last_count) malformed("counts fall", name);
      last_bound = bound;
      last_count = s.value;
    } else if (s.name == name + "_sum") {
      sum = s.value;
    } else if (s.name == name + "_count") {
      count = s.value;
    } else {
      malformed("no sample of a histogram", s.name);
    }
  }
  if (!std::isinf(last_bound)) malformed("the last bucket is not +Inf", name);
  if (!count || *count != last_count) malformed("the count is not that of the last bucket", name);
  if (!sum) malformed("no sum", name);
}

void check_samples(const std::string& name, const family& f, text_format format) {
  if (f.samples.empty()) malformed("a family without samples", name);
  if (f.type == "histogram") return check_histogram(name, f);
  for (const one_sample& s : f.samples) {
    if (f.type == "summary") {
      if (s.name != name && s.name != name + "_sum" && s.name != name + "_count") malformed("a stranger", s.name);
      continue;
    }
    const bool total = s.name.ends_with("_total");
    if (total != (f.type == "counter")) malformed("_total is for counters", s.name);
    if (s.name != (format == text_format::openmetrics && total ? name + "_total" : name))
      malformed("a stranger", s.name);
    if (f.type == "counter" && s.value < 0) malformed("a negative counter", s.name);
  }
}

std::map<std::string, family> parse(const std::string& text, text_format format) {
  std::map<std::string, family> families;
  std::string current;
  bool ended = false;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) malformed("the last line has no end", text.substr(begin));
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (ended) malformed("text behind the end", line);
    if (line == "# EOF") {
      ended = true;
    } else if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
      const std::string_view rest = line.substr(7);
      const std::size_t space = rest.find(' ');
      if (space == std::string_view::npos) malformed("nothing behind the name", line);
      const std::string name(rest.substr(0, space));
      if (!is_name(name)) malformed("bad name", line);
      if (line[2] == 'H') {
        if (families.contains(name)) malformed("a family twice", line);
        families[name].help = rest.substr(space + 1);
        current = name;
      } else {
        static const std::set<std::string, std::less<>> types{"counter", "gauge", "histogram", "summary"};
        if (name != current || !types.contains(rest.substr(space + 1))) malformed("bad type", line);
        families[name].type = rest.substr(space + 1);
      }
    } else {
      if (current.empty() || families[current].type.empty()) malformed("a sample without a type", line);
      families[current].samples.push_back(parse_sample(line));
    }
  }
  if (ended != (format == text_format::openmetrics)) malformed("# EOF ends OpenMetrics, and nothing else", "");
  for (const auto& [name, f] : families) check_samples(name, f, format);
  return families;
}

// A runtime in which something has happened ---------------------------------------------------------------------------

task<> hold_and_wait(mutex* m) {
  auto lock = co_await m->lock();
  static_cast<void>(co_await sleep_for(3ms));
}

/// Two tasks slept, and one waited for a mutex meanwhile; two processors.
metrics::snapshot busy_snapshot() {
  test::driven_runtime rt(2);
  mutex m;
  rt.start(hold_and_wait, &m);
  rt.start(hold_and_wait, &m);
  rt.settle();
  rt.pass(3ms);
  rt.pass(3ms);
  return metrics::snapshot(*rt);
}

class PrometheusTest : public ::testing::TestWithParam<metrics::export_options> {};
INSTANTIATE_TEST_SUITE_P(In, PrometheusTest,
                         ::testing::Values(metrics::export_options{text_format::prometheus, false},
                                           metrics::export_options{text_format::prometheus, true},
                                           metrics::export_options{text_format::openmetrics, false},
                                           metrics::export_options{text_format::openmetrics, true}),
                         [](const auto& which) {
                           return std::string(which.param.format == text_format::prometheus ? "Text" : "OpenMetrics") +
                                  (which.param.go_names ? "WithGosNames" : "");
                         });

TEST_P(PrometheusTest, AStrictParserReadsThePageAndFindsEveryMetric) {
  const metrics::export_options options = GetParam();
  const std::string text = metrics::to_prometheus(busy_snapshot(), options);
  std::map<std::string, family> families;
  ASSERT_NO_THROW(families = parse(text, options.format)) << text;
  for (const metrics::description& d : metrics::all()) {
    std::string name = metrics::prometheus_name(d, options.go_names);
    if (options.format == text_format::openmetrics && name.ends_with("_total")) name.resize(name.size() - 6);
    ASSERT_TRUE(families.contains(name)) << d.name;
    EXPECT_THAT(families[name].help, ::testing::HasSubstr(std::string(d.name))) << name;
    EXPECT_EQ(families[name].samples.size() > 3, d.kind == metrics::value_kind::histogram) << d.name;
  }
}

TEST(PrometheusPageTest, ValuesAreThoseOfTheSnapshot) {
  const metrics::snapshot s = busy_snapshot();
  auto families = parse(metrics::to_prometheus(s), text_format::prometheus);
  EXPECT_EQ(families["weft_sched_goroutines_created_goroutines_total"].samples[0].value, 2);
  EXPECT_EQ(families["weft_sched_gomaxprocs_threads"].samples[0].value, 2);
  const std::vector<one_sample>& by_processor = families["weft_processors_dispatches_total"].samples;
  ASSERT_EQ(by_processor.size(), 2u);
  EXPECT_EQ(by_processor[1].labels.at("processor"), "1");
  EXPECT_EQ(by_processor[1].value,
            static_cast<double>(s.find("/weft/processors/dispatches:dispatches")->as_per_processor()[1]));
  // One wait of 3 ms for the mutex: below 4.2 ms, not below 1.05 ms.
  double below = -1;
  for (const one_sample& b : families["weft_wait_mutex_seconds"].samples) {
    if (b.name.ends_with("_sum")) {
      EXPECT_NEAR(b.value, 0.003, 1e-9);
    }
    if (b.name.ends_with("_count")) {
      EXPECT_EQ(b.value, 1);
    }
    if (!b.name.ends_with("_bucket")) continue;
    const double bound = number(b.labels.at("le"));
    EXPECT_EQ(b.value, bound < 0.003 ? 0 : 1) << bound;
    if (b.value == 0) below = std::max(below, bound);
  }
  EXPECT_GT(below, 0.0007);
}

// Queries of dashboards that were made for Go programs: each of these families is there, with the type they expect.
TEST(PrometheusPageTest, ADashboardForGoFindsWhatItAsksFor) {
  auto families = parse(metrics::to_prometheus(busy_snapshot(), {.go_names = true}), text_format::prometheus);
  const auto type_of = [&](const char* name) { return families.contains(name) ? families[name].type : "missing"; };
  EXPECT_EQ(type_of("go_goroutines"), "gauge");
  EXPECT_EQ(type_of("go_threads"), "gauge");
  EXPECT_EQ(type_of("go_info"), "gauge");
  EXPECT_EQ(type_of("go_memstats_stack_inuse_bytes"), "gauge");
  EXPECT_EQ(type_of("go_sched_goroutines_goroutines"), "gauge");
  EXPECT_EQ(type_of("go_sched_gomaxprocs_threads"), "gauge");
  EXPECT_EQ(type_of("go_sched_threads_total_threads"), "gauge");
  EXPECT_EQ(type_of("go_sched_goroutines_created_goroutines_total"), "counter");
  EXPECT_EQ(type_of("go_sched_goroutines_not_in_go_goroutines"), "gauge");
  EXPECT_EQ(type_of("go_cgo_go_to_c_calls_calls_total"), "counter");
  EXPECT_EQ(type_of("go_cpu_classes_idle_cpu_seconds_total"), "counter");
  EXPECT_EQ(type_of("go_sync_mutex_wait_total_seconds_total"), "counter");
  EXPECT_EQ(type_of("go_memory_classes_heap_stacks_bytes"), "gauge");
  EXPECT_EQ(type_of("go_sched_latencies_seconds"), "histogram");
  EXPECT_EQ(type_of("weft_sched_steals_total"), "counter");
  EXPECT_TRUE(families["go_info"].samples[0].labels.at("version").starts_with("weft"));
  // The bounds of Go's collector, which a dashboard may name in a query.
  std::vector<std::string> bounds;
  for (const one_sample& b : families["go_sched_latencies_seconds"].samples)
    if (b.labels.contains("le")) bounds.push_back(b.labels.at("le"));
  EXPECT_EQ(bounds, (std::vector<std::string>{"6.399999999999999e-08", "6.399999999999999e-07", "7.167999999999999e-06",
                                              "8.191999999999999e-05", "0.0009175039999999999", "0.010485759999999998",
                                              "0.11744051199999998", "+Inf"}))
      << "as in a page of a Go 1.26 program";
}

// Prometheus' own tool ------------------------------------------------------------------------------------------------

/// promtool: what ./weft test has fetched, or the system's. Empty: there is none.
std::string promtool() {
  if (::access(WEFT_PROMTOOL, X_OK) == 0) return WEFT_PROMTOOL;
  return std::system("command -v promtool >/dev/null 2>&1") == 0 ? "promtool" : "";
}

/// Runs a command and returns its status and what it printed.
std::pair<int, std::string> run_command(const std::string& command, const std::string& stem) {
  const std::string output = std::string(WEFT_TEST_FILES "/") + stem + ".output";
  const int status = std::system((command + " >" + output + " 2>&1").c_str());
  std::ifstream in(output);
  return {status, std::string(std::istreambuf_iterator<char>(in), {})};
}

std::string write_file(const std::string& name, const std::string& text) {
  std::string path = std::string(WEFT_TEST_FILES "/") + name;
  std::ofstream(path) << text;
  return path;
}

TEST(PromtoolTest, ItFindsNothingWrongWithAPage) {
  const std::string tool = promtool();
  if (tool.empty())
    GTEST_SKIP() << "promtool is missing; PrometheusTest's own parser has looked. ./weft test fetches it";
  for (const bool go_names : {false, true}) {
    const std::string stem = go_names ? "go_names" : "names";
    const std::string page = metrics::to_prometheus(busy_snapshot(), {.go_names = go_names});
    const auto [status, output] = run_command(tool + " check metrics <" + write_file(stem + ".prom", page), stem);
    EXPECT_EQ(status, 0) << output;
    EXPECT_EQ(output, "");
  }
}

// Samples need times for this, so they get one.
TEST(PromtoolTest, ItReadsOpenMetricsAsWell) {
  const std::string tool = promtool();
  if (tool.empty())
    GTEST_SKIP() << "promtool is missing; PrometheusTest's own parser has looked. ./weft test fetches it";
  std::string page;
  for (const char c : metrics::to_prometheus(busy_snapshot(), {.format = text_format::openmetrics, .go_names = true})) {
    const std::size_t line = page.rfind('\n') + 1;
    if (c == '\n' && page[line] != '#') page += " 1000000";
    page += c;
  }
  const std::string blocks = WEFT_TEST_FILES "/blocks";
  const auto [status, output] =
      run_command("rm -rf " + blocks + " && " + tool + " tsdb create-blocks-from openmetrics " +
                      write_file("open.om", page) + " " + blocks,
                  "open");
  EXPECT_EQ(status, 0) << output;
}

// JSON ----------------------------------------------------------------------------------------------------------------

/// Checks that a text is JSON, and counts the members of its outermost object.
class json_reader {
 public:
  explicit json_reader(std::string_view text) : text_(text) {}

  std::vector<std::string> members() {
    std::vector<std::string> names;
    object([&](std::string name) { names.push_back(std::move(name)); });
    space();
    if (at_ != text_.size()) malformed("text behind the end", text_.substr(at_));
    return names;
  }

 private:
  template <class OnName>
  void object(OnName on_name) {
    expect('{');
    if (peek() == '}') return expect('}');
    for (;;) {
      on_name(string());
      expect(':');
      value();
      if (peek() != ',') return expect('}');
      expect(',');
    }
  }
  void array() {
    expect('[');
    if (peek() == ']') return expect(']');
    for (;;) {
      value();
      if (peek() != ',') return expect(']');
      expect(',');
    }
  }
  void value() {
    const char c = peek();
    if (c == '{') return object([](const std::string&) {});
    if (c == '[') return array();
    if (text_.substr(at_).starts_with("null")) {
      at_ += 4;
      return;
    }
    const std::size_t end = std::min(text_.find_first_of(",]} \n", at_), text_.size());
    const std::string_view digits = text_.substr(at_, end - at_);
    if (!std::isfinite(number(digits)) || digits.front() == '+') malformed("no number of JSON", digits);
    at_ = end;
  }
  std::string string() {
    expect('"');
    const std::size_t end = text_.find('"', at_);
    if (end == std::string_view::npos) malformed("a string without end", text_.substr(at_));
    std::string s(text_.substr(at_, end - at_));
    at_ = end + 1;
    return s;
  }
  char peek() {
    space();
    if (at_ == text_.size()) malformed("the text ends", "");
    return text_[at_];
  }
  void expect(char c) {
    if (peek() != c) malformed(std::string("not a ") + c, text_.substr(at_));
    ++at_;
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

TEST(JsonTest, ItIsOneObjectWithAMemberForEachMetric) {
  const std::string text = metrics::to_json(busy_snapshot());
  std::vector<std::string> names;
  ASSERT_NO_THROW(names = json_reader(text).members()) << text;
  std::vector<std::string> expected;
  for (const metrics::description& d : metrics::all()) expected.emplace_back(d.name);
  EXPECT_EQ(names, expected);
  EXPECT_THAT(text, ::testing::HasSubstr("\"/sched/gomaxprocs:threads\": 2,"));
  EXPECT_THAT(text, ::testing::HasSubstr(
                        "\"/weft/wait/mutex:seconds\": {\"sum\": 0.003, \"counts\": [[0.00262144, 0.003145728, 1]]}"));
}

}  // namespace
}  // namespace weft
