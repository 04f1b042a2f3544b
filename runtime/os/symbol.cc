// Symbolization through Abseil, demangling through the C++ ABI, and the trimming of coroutine names.
#include "os/symbol.h"

#include <cxxabi.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <string_view>

#include "absl/debugging/symbolize.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace weft::os {
namespace {

// What the compilers append to a coroutine's name for its parts: clang resume, destroy, cleanup; g++ actor, destroy.
constexpr std::array<std::string_view, 4> coroutine_parts = {".resume", ".destroy", ".cleanup", ".actor"};

std::string_view without_coroutine_part(std::string_view name) {
  for (const std::string_view part : coroutine_parts) {
    // Later passes may append more (".resume.cold"), so the part is not always last.
    const size_t at = name.find(part);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = name.substr(at + part.size());
    if (rest.empty() || rest.front() == '.') return name.substr(0, at);
  }
  return name;
}

std::string demangled(std::string_view name) {
  if (!name.starts_with("_Z")) return std::string(name);
  int status = 0;
  const std::unique_ptr<char, decltype(&::free)> text(
      abi::__cxa_demangle(std::string(name).c_str(), nullptr, nullptr, &status), &::free);
  return text != nullptr ? std::string(text.get()) : std::string(name);
}

std::string hexadecimal(const void* address) {
  return absl::StrCat("0x", absl::Hex(reinterpret_cast<uintptr_t>(address)));
}

bool is_opening(char c) { return c == '(' || c == '<' || c == '[' || c == '{'; }
bool is_closing(char c) { return c == ')' || c == '>' || c == ']' || c == '}'; }

bool in_identifier(char c) { return c == '_' || absl::ascii_isalnum(static_cast<unsigned char>(c)); }

// Where an operator's name that begins at `at` ends, `at` when none does: brackets in it ("operator()", "operator<<")
// are letters, not nesting.
size_t skip_operator_name(std::string_view name, size_t at) {
  constexpr std::string_view keyword = "operator";
  const size_t after = at + keyword.size();
  if (!name.substr(at).starts_with(keyword) || after == name.size()) return at;
  if (in_identifier(name[after]) || (at > 0 && in_identifier(name[at - 1]))) return at;
  const size_t parameters = name.find('(', after + (name[after] == '(' ? 1 : 0));
  return std::min(parameters, name.size());
}

// "std::pair<int, int> ns::f<void (*)(int)>(int) const" -> "ns::f<void (*)(int)>". The parameter list is the last
// parenthesis at depth zero that follows a name; the return type ends at the last blank at depth zero before it.
std::string_view without_parameters(std::string_view name) {
  constexpr size_t none = std::string_view::npos;
  int depth = 0;
  size_t begin = 0;
  size_t parameters = none;
  for (size_t i = 0; i < name.size(); ++i) {
    if (depth == 0) i = skip_operator_name(name, i);
    if (i == name.size()) break;
    const char c = name[i];
    if (depth == 0) {
      if (c == '(' && i > begin) parameters = i;
      if (c == ' ' && parameters == none) begin = i + 1;
      if (c == ':') parameters = none;  // what looked like parameters encloses the name that follows
    }
    if (is_opening(c)) ++depth;
    if (is_closing(c)) --depth;
  }
  return name.substr(begin, parameters == none ? none : parameters - begin);
}

}  // namespace

std::string symbol_name(const void* code_address) {
  std::array<char, 4096> buffer{};
  {
    // Abseil's cache has a lock of its own, but one that ThreadSanitizer does not see in an Abseil built without it.
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    if (!absl::Symbolize(code_address, buffer.data(), static_cast<int>(buffer.size())))
      return hexadecimal(code_address);
  }
  // Abseil demangles what it can. What it cannot may be a coroutine's part with a suffix that no demangler knows.
  return demangled(without_coroutine_part(buffer.data()));
}

std::string function_of(const void* address) { return std::string(without_parameters(symbol_name(address))); }

}  // namespace weft::os
