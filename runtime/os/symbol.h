// Names for code addresses, for dumps, reports and error messages.
//
// Slow (reads the symbol table of the binary) and allocating: for text that a person reads, never on a task's path.
// Works without debug information, also for static functions, as long as the binary is not stripped.
//
// Thread safety: any thread.
#pragma once

#include <string>

namespace weft::os {

/// The demangled name of the function that contains `code_address`, "0x..." when unknown.
///
/// A coroutine's resume and destroy functions bear the name of the function that was written. The parameter list is
/// shown as far as the demangler knows it.
[[nodiscard]] std::string symbol_name(const void* code_address);

/// symbol_name() without parameter list and return type: "serve" for the code of `task<> serve(int)`.
[[nodiscard]] std::string function_of(const void* address);

}  // namespace weft::os
