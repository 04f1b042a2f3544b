// The rules of check_text.h, one function each, over files that are read once and split into code and comment.
#include "text/check_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

namespace weft::check_text {
namespace {

namespace fs = std::filesystem;

constexpr int columns_max = 120;
constexpr int reason_lines_above = 4;

enum class file_kind {
  cxx,      // .h, .cc
  go,       // .go: comments like C++, tabs by its own formatter
  script,   // comments start with #
  prose,    // .md
  unknown,  // everything else
};

struct line_text {
  std::string raw;
  std::string code;     // the line with comments and the contents of strings blanked out
  std::string comment;  // the comments alone, without their marks
};

struct source_file {
  std::string path;  // relative to the root, with '/'
  file_kind kind = file_kind::unknown;
  std::vector<line_text> lines;
};

// Small text helpers ------------------------------------------------------------------------------------------------

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string_view trim(std::string_view s) {
  const auto first = s.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(" \t\r") - first + 1);
}

// Whether `word` stands in `text` with no word character on either side of it.
bool has_word(std::string_view text, std::string_view word) {
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const auto end = at + word.size();
    if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]))) return true;
  }
  return false;
}

// The first part of a path: "sched" of "sched/worker.h"; empty when there is only one part.
std::string_view first_folder(std::string_view path) {
  const auto slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

int count_columns(std::string_view line) {
  // Bytes that continue a UTF-8 character take no column of their own.
  return static_cast<int>(std::ranges::count_if(line, [](char c) { return (c & 0xC0) != 0x80; }));
}

int count_words(std::string_view text) {
  int words = 0;
  bool inside = false;
  for (const char c : text) {
    if (is_word(c) && !inside) ++words;
    inside = is_word(c);
  }
  return words;
}

// Reading -----------------------------------------------------------------------------------------------------------

// Splits C++ (or Go) into code and comments, line by line. Knows line and block comments, strings, characters, digit
// separators and raw strings.
class cxx_splitter {
 public:
  line_text split(const std::string& raw) {
    line_text out{raw, {}, {}};
    for (std::size_t i = 0; i < raw.size();) i = step(raw, i, out);
    if (state_ == state::in_string) state_ = state::in_code;  // an unfinished string ends with its line
    return out;
  }

 private:
  enum class state { in_code, in_block_comment, in_string, in_raw_string };

  std::size_t step(const std::string& raw, std::size_t i, line_text& out) {
    switch (state_) {
      case state::in_block_comment: return step_block_comment(raw, i, out);
      case state::in_string: return step_string(raw, i, out);
      case state::in_raw_string: return step_raw_string(raw, i, out);
      case state::in_code: break;
    }
    return step_code(raw, i, out);
  }

  std::size_t step_block_comment(const std::string& raw, std::size_t i, line_text& out) {
    if (raw.compare(i, 2, "*/") == 0) {
      state_ = state::in_code;
      return i + 2;
    }
    out.comment += raw[i];
    return i + 1;
  }

  std::size_t step_string(const std::string& raw, std::size_t i, line_text& out) {
    if (raw[i] == '\\') return i + 2;
    if (raw[i] == quote_) {
      state_ = state::in_code;
      out.code += quote_;
    }
    return i + 1;
  }

  std::size_t step_raw_string(const std::string& raw, std::size_t i, line_text& out) {
    if (raw.compare(i, raw_end_.size(), raw_end_) != 0) return i + 1;
    state_ = state::in_code;
    out.code += '"';
    return i + raw_end_.size();
  }

  std::size_t step_code(const std::string& raw, std::size_t i, line_text& out) {
    if (raw.compare(i, 2, "//") == 0) {
      const auto text = raw.find_first_not_of('/', i);
      if (text != std::string::npos) out.comment += raw.substr(text);
      return raw.size();
    }
    if (raw.compare(i, 2, "/*") == 0) {
      state_ = state::in_block_comment;
      return i + 2;
    }
    const char c = raw[i];
    const char before = i == 0 ? ' ' : raw[i - 1];
    out.code += c;
    if (c == '"' && before == 'R') {
      const auto open = raw.find('(', i);
      if (open == std::string::npos) return i + 1;
      raw_end_ = ")" + raw.substr(i + 1, open - i - 1) + "\"";
      state_ = state::in_raw_string;
      return open + 1;
    }
    const bool separates_digits = c == '\'' && std::isxdigit(static_cast<unsigned char>(before)) != 0;
    if ((c == '"' || c == '\'') && !separates_digits) {
      quote_ = c;
      state_ = state::in_string;
    }
    return i + 1;
  }

  state state_ = state::in_code;
  char quote_ = '"';
  std::string raw_end_;
};

line_text split_script(const std::string& raw) {
  const auto text = trim(raw);
  if (text.starts_with('#')) return {raw, {}, std::string(text.substr(1))};
  const auto trailing = raw.find(" #");
  if (trailing == std::string::npos) return {raw, raw, {}};
  return {raw, raw.substr(0, trailing), raw.substr(trailing + 2)};
}

std::vector<std::string> read_lines(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

file_kind kind_of(const fs::path& path, const std::vector<std::string>& lines) {
  static const std::set<std::string> script_names{"CMakeLists.txt", "LAYERS",        ".clang-format",
                                                  ".clang-tidy",    ".editorconfig", ".gitignore"};
  static const std::set<std::string> script_endings{".cmake", ".sh", ".py", ".yml", ".yaml", ".in"};
  const std::string ending = path.extension();
  if (ending == ".h" || ending == ".cc") return file_kind::cxx;
  if (ending == ".go") return file_kind::go;
  if (ending == ".md") return file_kind::prose;
  if (script_names.contains(path.filename()) || script_endings.contains(ending)) return file_kind::script;
  if (!lines.empty() && lines.front().starts_with("#!")) return file_kind::script;
  return file_kind::unknown;
}

source_file read_source(const fs::path& root, const fs::path& path) {
  const auto raw_lines = read_lines(path);
  source_file file{path.lexically_relative(root).generic_string(), kind_of(path, raw_lines), {}};
  cxx_splitter cxx;
  for (const auto& raw : raw_lines) {
    switch (file.kind) {
      case file_kind::cxx:
      case file_kind::go: file.lines.push_back(cxx.split(raw)); break;
      case file_kind::script: file.lines.push_back(split_script(raw)); break;
      case file_kind::prose:
      case file_kind::unknown: file.lines.push_back({raw, {}, {}}); break;
    }
  }
  return file;
}

// Build folders and version control are not sources, nor are hidden folders other than .ci.
bool skip_folder(const fs::path& path) {
  const std::string name = path.filename();
  return name.starts_with("build") || name.starts_with("cmake-build") || (name.starts_with(".") && name != ".ci");
}

std::vector<source_file> read_tree(const fs::path& root) {
  std::vector<source_file> files;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    if (it->is_directory()) {
      if (skip_folder(it->path())) it.disable_recursion_pending();
    } else if (it->is_regular_file()) {
      files.push_back(read_source(root, it->path()));
    }
  }
  std::ranges::sort(files, {}, &source_file::path);
  return files;
}

// The layers --------------------------------------------------------------------------------------------------------

// What runtime/LAYERS says: the order of the layers, and the layer of each header, named as in "weft/task.h".
struct layer_table {
  std::vector<std::string> names;
  std::map<std::string, int, std::less<>> header_layers;

  [[nodiscard]] std::optional<int> index_of(std::string_view name) const {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) return std::nullopt;
    return static_cast<int>(found - names.begin());
  }
  [[nodiscard]] std::optional<int> layer_of_header(std::string_view header) const {
    const auto found = header_layers.find(header);
    if (found == header_layers.end()) return std::nullopt;
    return found->second;
  }
};

class checker {
 public:
  explicit checker(fs::path root) : root_(std::move(root)), files_(read_tree(root_)) {}

  std::vector<finding> run() {
    read_layers();
    read_tests();
    for (const auto& file : files_) check_file(file);
    std::ranges::sort(findings_, {}, [](const finding& f) { return std::tie(f.path, f.line, f.message); });
    return std::move(findings_);
  }

 private:
  void report(const std::string& path, std::size_t line, std::string message) {
    findings_.push_back({path, static_cast<int>(line), std::move(message)});
  }

  [[nodiscard]] bool exists(const std::string& path) const {
    return std::ranges::binary_search(files_, path, {}, &source_file::path);
  }

  void check_file(const source_file& file) {
    check_known(file);
    if (file.kind == file_kind::prose && file.path.starts_with("docs/")) check_named_tests(file);
    if (file.kind == file_kind::unknown || file.kind == file_kind::prose) return;
    check_purpose(file);
    check_layout(file);
    if (file.kind != file_kind::cxx) return;
    check_listed(file);
    check_order_reasons(file);
    check_orders_named(file);
    check_includes(file);
  }

  // lists: what lies in the library's folders must be something that the other rules can read.
  void check_known(const source_file& file) {
    const std::string_view path = file.path;
    const bool library = path.starts_with("runtime/") || path.starts_with("include/");
    static constexpr std::array foreign{".c", ".cpp", ".cxx", ".hh", ".hpp", ".inc", ".inl", ".ipp"};
    if (file.kind == file_kind::unknown) {
      const bool foreign_cxx = std::ranges::find(foreign, fs::path(path).extension()) != foreign.end();
      if (foreign_cxx)
        report(file.path, 0, "unknown file: C++ files end in .h or .cc");
      else if (library)
        report(file.path, 0, "unknown file: no rule knows this kind");
    }
    if (path.starts_with("runtime/")) {
      const auto folder = first_folder(path.substr(8));
      if (!folder.empty() && folder != "package" && !layers_.index_of(folder)) {
        report(file.path, 0, "unknown file: runtime/LAYERS has no layer '" + std::string(folder) + "'");
      }
    }
    if (path.starts_with("include/") && file.kind == file_kind::cxx && !layers_.layer_of_header(path.substr(8))) {
      report(file.path, 0, "unknown file: runtime/LAYERS does not list this header");
    }
  }

  // purpose: the first line, or the one after #!, is a comment of at least three words.
  void check_purpose(const source_file& file) {
    std::size_t first = 0;
    if (!file.lines.empty() && file.lines[0].raw.starts_with("#!")) first = 1;
    if (first >= file.lines.size()) return report(file.path, 1, "the file is empty: say what it is for");
    const line_text& line = file.lines[first];
    const auto comment = trim(line.comment);
    if (comment.empty()) return report(file.path, first + 1, "does not open with a comment that says its purpose");
    static constexpr std::array not_a_purpose{"Copyright", "SPDX", "Licensed", "clang-format", "NOLINT"};
    const bool other = std::ranges::any_of(not_a_purpose, [&](auto start) { return comment.starts_with(start); });
    if (other || count_words(comment) < 3) report(file.path, first + 1, "the opening comment does not say a purpose");
  }

  void check_layout(const source_file& file) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto& [raw, code, comment] = file.lines[i];
      const int columns = count_columns(raw);
      if (columns > columns_max) {
        report(file.path, i + 1,
               "line of " + std::to_string(columns) + " columns, " + std::to_string(columns_max) + " are allowed");
      }
      if (file.kind != file_kind::go && raw.find('\t') != std::string::npos) report(file.path, i + 1, "tab");
      if (!raw.empty() && std::isspace(static_cast<unsigned char>(raw.back())) != 0) {
        report(file.path, i + 1, "trailing space");
      }
      for (const std::string_view mark : {"TODO", "FIXME"}) {
        if (has_word(comment, mark) && comment.find('?') == std::string::npos) {
          report(file.path, i + 1, std::string(mark) + " without a question that someone could answer");
        }
      }
    }
  }

  // lists: a CMakeLists.txt beside the file or above it names the file.
  void check_listed(const source_file& file) {
    if (!file.path.ends_with(".cc")) return;
    const fs::path path(file.path);
    for (fs::path folder = path.parent_path();; folder = folder.parent_path()) {
      const auto list = std::ranges::find(files_, (folder / "CMakeLists.txt").generic_string(), &source_file::path);
      if (list != files_.end()) {
        const std::string name = path.lexically_relative(folder).generic_string();
        if (std::ranges::any_of(list->lines, [&](const auto& line) { return has_word(line.code, name); })) return;
      }
      if (folder.empty()) break;
    }
    report(file.path, 0, "no CMakeLists.txt lists this file");
  }

  // tests: what a page says that a test shows, a test of that name must be there to show.
  void check_named_tests(const source_file& file) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::string_view text = file.lines[i].raw;
      for (auto open = text.find('`'); open != std::string_view::npos; open = text.find('`')) {
        const auto close = text.find('`', open + 1);
        if (close == std::string_view::npos) break;
        const std::string_view name = text.substr(open + 1, close - open - 1);
        if (looks_like_a_test(name) && !tests_.contains(name))
          report(file.path, i + 1, "names the test " + std::string(name) + ", which is not in tests/");
        text.remove_prefix(close + 1);
      }
    }
  }

  // Two words joined by a dot, the first of which ends as our suites do: "Test", or "Test1" and so on.
  static bool looks_like_a_test(std::string_view name) {
    const auto dot = name.find('.');
    if (dot == std::string_view::npos || !std::ranges::all_of(name.substr(dot + 1), is_word)) return false;
    std::string_view suite = name.substr(0, dot);
    while (!suite.empty() && std::isdigit(static_cast<unsigned char>(suite.back())) != 0) suite.remove_suffix(1);
    return suite.ends_with("Test") && std::ranges::all_of(suite, is_word);
  }

  // The names of all tests, as "Suite.Test".
  void read_tests() {
    for (const auto& file : files_) {
      if (file.kind != file_kind::cxx || !file.path.starts_with("tests/")) continue;
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        std::string text = file.lines[i].code;
        const auto open = text.starts_with("TEST(")                                    ? 5
                          : text.starts_with("TEST_P(") || text.starts_with("TEST_F(") ? 7
                                                                                       : 0;
        if (open == 0) continue;
        // A long one goes on in the next line.
        if (text.find(')') == std::string::npos && i + 1 < file.lines.size()) text += file.lines[i + 1].code;
        const auto comma = text.find(',');
        const auto close = text.find(')');
        if (comma == std::string::npos || close == std::string::npos || close < comma) continue;
        const std::string_view all = text;
        tests_.insert(std::string(trim(all.substr(open, comma - open))) + '.' +
                      std::string(trim(all.substr(comma + 1, close - comma - 1))));
      }
    }
  }

  // order: a reason stands beside every memory order.
  void check_order_reasons(const source_file& file) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string order = memory_order_in(file.lines[i].code);
      if (order.empty()) continue;
      const std::size_t first = i < reason_lines_above ? 0 : i - reason_lines_above;
      bool found = false;
      for (std::size_t j = first; j <= i && !found; ++j) found = is_reason(file.lines[j].comment);
      if (!found) {
        report(file.path, i + 1,
               "memory_order_" + order + " has no reason on its line or in the " + std::to_string(reason_lines_above) +
                   " lines above");
      }
    }
  }

  // The order that a line of code names, without its prefix; empty when it names none.
  static std::string memory_order_in(std::string_view code) {
    static constexpr std::string_view prefix = "memory_order";
    static constexpr std::array orders{"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};
    for (auto at = code.find(prefix); at != std::string_view::npos; at = code.find(prefix, at + 1)) {
      if (at > 0 && is_word(code[at - 1])) continue;
      std::string_view rest = code.substr(at + prefix.size());
      if (rest.starts_with("::"))
        rest.remove_prefix(2);
      else if (rest.starts_with("_"))
        rest.remove_prefix(1);
      else
        continue;
      for (const std::string_view order : orders) {
        if (rest.starts_with(order)) return std::string(order);
      }
    }
    return {};
  }

  static bool is_reason(std::string_view comment) {
    comment = trim(comment);
    return count_words(comment) > 0 && !comment.starts_with("namespace") && !comment.starts_with("NOLINT");
  }

  // order: in the library no atomic operation leaves its order to the default.
  void check_orders_named(const source_file& file) {
    if (!file.path.starts_with("runtime/") && !file.path.starts_with("include/")) return;
    static constexpr std::array operations{
        "load",      "store",     "exchange",  "compare_exchange_weak",   "test_and_set",
        "fetch_add", "fetch_sub", "fetch_and", "compare_exchange_strong", "fetch_or",
        "fetch_xor"};
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const std::string_view operation : operations) {
        for (const std::string_view access : {".", "->"}) {
          const std::string call = std::string(access).append(operation).append("(");
          for (auto at = file.lines[i].code.find(call); at != std::string::npos;
               at = file.lines[i].code.find(call, at + 1)) {
            if (arguments(file, i, at + call.size()).find("order") != std::string::npos) continue;
            report(file.path, i + 1, std::string(operation) + "() does not name its memory order");
          }
        }
      }
    }
  }

  // The text from just behind an opening parenthesis to its closing one, over as many lines as that takes.
  static std::string arguments(const source_file& file, std::size_t line, std::size_t column) {
    std::string text;
    int depth = 1;
    for (; line < file.lines.size(); ++line, column = 0) {
      const std::string& code = file.lines[line].code;
      for (; column < code.size(); ++column) {
        if (code[column] == '(') ++depth;
        if (code[column] == ')' && --depth == 0) return text;
        text += code[column];
      }
    }
    return text;
  }

  void check_includes(const source_file& file) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const auto included = include_in(file.lines[i]);
      if (!included.empty()) check_include(file, i + 1, included);
    }
  }

  // The file that a line includes; empty when it is no include.
  static std::string_view include_in(const line_text& line) {
    auto code = trim(line.code);
    if (!code.starts_with('#')) return {};
    code = trim(code.substr(1));
    if (!code.starts_with("include")) return {};
    const std::string_view raw = line.raw;
    const auto open = raw.find_first_of("<\"");
    if (open == std::string_view::npos) return {};
    const auto close = raw.find_first_of(">\"", open + 1);
    if (close == std::string_view::npos) return {};
    return raw.substr(open + 1, close - open - 1);
  }

  void check_include(const source_file& file, std::size_t line, std::string_view included) {
    const std::string_view path = file.path;
    const std::string name(included);
    const auto target = target_layer(included);
    const bool internal = target.has_value() && !included.starts_with("weft/");

    if (included.find("..") != std::string_view::npos) {
      return report(file.path, line, "includes \"" + name + "\": name it from its root, without ..");
    }
    if (internal && !path.starts_with("runtime/") && !path.starts_with("tests/")) {
      return report(file.path, line, "includes \"" + name + "\", an internal of runtime/ that is not installed");
    }
    if (path.starts_with("samples/") && included.starts_with("weft/detail/")) {
      return report(file.path, line, "includes <" + name + ">: a sample uses the public headers only");
    }
    if (internal && !exists("runtime/" + name)) {
      return report(file.path, line, "includes \"" + name + "\", which is not in runtime/");
    }
    if (included.starts_with("weft/") && !target) {
      return report(file.path, line, "includes <" + name + ">, which runtime/LAYERS does not list");
    }

    const auto own = own_layer(path);
    if (!own) return;
    if (target && *target > *own) {
      report(file.path, line,
             "includes \"" + name + "\": " + layers_.names[*own] + " is below " + layers_.names[*target]);
    }
    if (is_system_header(included) && layers_.names[*own] != "os") {
      report(file.path, line, "includes <" + name + ">: only the layer os includes system headers");
    }
  }

  [[nodiscard]] std::optional<int> target_layer(std::string_view included) const {
    if (included.starts_with("weft/")) return layers_.layer_of_header(included);
    return layers_.index_of(first_folder(included));
  }

  // The layer of a file of the library; nothing for every other file.
  [[nodiscard]] std::optional<int> own_layer(std::string_view path) const {
    if (path.starts_with("runtime/")) return layers_.index_of(first_folder(path.substr(8)));
    if (path.starts_with("include/")) return layers_.layer_of_header(path.substr(8));
    return std::nullopt;
  }

  static bool is_system_header(std::string_view included) {
    static constexpr std::array folders{"sys", "linux", "asm", "arpa", "net", "netinet"};
    static constexpr std::array names{"dirent.h",  "dlfcn.h",   "execinfo.h", "fcntl.h",     "liburing.h", "netdb.h",
                                      "poll.h",    "pthread.h", "sched.h",    "semaphore.h", "signal.h",   "syscall.h",
                                      "termios.h", "time.h",    "ucontext.h", "unistd.h"};
    return std::ranges::find(folders, first_folder(included)) != folders.end() ||
           std::ranges::find(names, included) != names.end();
  }

  void read_layers() {
    static const std::string path = "runtime/LAYERS";
    const auto file = std::ranges::find(files_, path, &source_file::path);
    if (file == files_.end()) return report(path, 0, "missing: the order of the layers");
    for (std::size_t i = 0; i < file->lines.size(); ++i) {
      const std::string_view raw = file->lines[i].raw;
      std::string_view text = trim(raw.substr(0, raw.find('#')));
      if (text.empty()) continue;
      const bool continues = raw.starts_with(' ');
      if (!continues) {
        const auto colon = text.find(':');
        if (colon == std::string_view::npos) {
          report(path, i + 1, "expected 'layer: headers'");
          continue;
        }
        layers_.names.emplace_back(trim(text.substr(0, colon)));
        text.remove_prefix(colon + 1);
      } else if (layers_.names.empty()) {
        report(path, i + 1, "headers before the first layer");
        continue;
      }
      add_headers(path, i + 1, text);
    }
  }

  void add_headers(const std::string& path, std::size_t line, std::string_view text) {
    for (text = trim(text); !text.empty(); text = trim(text)) {
      const auto header = text.substr(0, text.find(' '));
      text.remove_prefix(header.size());
      const std::string name = "weft/" + std::string(header);
      if (!exists("include/" + name))
        report(path, line, "lists " + std::string(header) + ", which is not in include/weft/");
      const int layer = static_cast<int>(layers_.names.size()) - 1;
      if (!layers_.header_layers.emplace(name, layer).second)
        report(path, line, std::string(header) + " is listed twice");
    }
  }

  fs::path root_;
  std::vector<source_file> files_;
  layer_table layers_;
  std::set<std::string, std::less<>> tests_;
  std::vector<finding> findings_;
};

}  // namespace

std::vector<finding> check_tree(const fs::path& root) { return checker(root).run(); }

std::string to_string(const finding& f) {
  return f.line == 0 ? f.path + ": " + f.message : f.path + ":" + std::to_string(f.line) + ": " + f.message;
}

}  // namespace weft::check_text
