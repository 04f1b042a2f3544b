// Whether the choices do what the list of choices says that they do.
//
// Each expectation is a comparison on the workload that shows it. What was measured is kept in a page of the docs, for
// every choice: what it is, what is expected of it, and what came out, refuted expectations, too.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "choice.h"
#include "command_line.h"
#include "document.h"
#include "variant.h"

namespace weft_lab {

/// The two sides of an expectation's command, A first. INVALID_ARGUMENT: it is no comparison of a workload with itself,
/// or names what does not exist.
absl::StatusOr<std::vector<variant>> sides_of(const expectation& e);

/// The page with what `old_page` has measured, and what `measured` adds to it or replaces: pairs of row_key() and the
/// text that said_of() makes.
std::string page_of_choices(const std::string& old_page,
                            const std::vector<std::pair<std::string, std::string>>& measured);

/// What is expected of B, in words: "slower (time_per_operation_ns)".
std::string expected_of(const expectation& e);

/// What tells an expectation's line in the page from the others.
std::string row_key(const expectation& e);

/// What was measured of an expectation: "slower: 104 ns -> 161 ns, +54.7% [+53.1%, +55.2%], 12 rounds".
std::string said_of(const expectation& e, const document& d);

/// Whether a text of said_of() is what was expected.
bool as_expected(const expectation& e, const std::string& said);

/// Measures the expectations of the choices that the command line names, or all; prints a line for each, and with
/// --docs=FILE writes the page anew after each.
///
/// Returns the exit status: 0, all as expected; 1, not all; 130, interrupted. Error: INVALID_ARGUMENT, nothing was
/// measured.
absl::StatusOr<int> check_expectations(const command_line& line, const measurer& measure);

}  // namespace weft_lab
