// The practical check: the four questions to ask before a runtime is tweaked, answered from what two sides measured.
//
//   Does it reduce allocations, or only move them?
//   Does it lower the live set, or just spread memory?
//   Does it reduce contention among runnable tasks?
//   Does it simplify shutdown, or complicate it?
//
// Each has parts, which may be less, more, or not measurably different, and some have a sum of the parts that is
// compared too. The answer follows from those by one rule:
//
//   yes          the sum is less, or without a sum some part is less and none is more
//   only moved   some part is less and another one more, and the sum is not less
//   no           the sum is more, or some part is more and none is less
//   no measurable difference
//   not measured no part was
//
// There are many parts, so that one in a hundred would differ by chance: their intervals are of 99.9%.
#pragma once

#include <string>
#include <vector>

#include "record.h"
#include "stats.h"

namespace weft_lab {

/// One figure of both sides.
struct evidence {
  std::string what;     ///< "operator new, calls per operation"
  std::string unit;     ///< "bytes", "ns", "" for a count
  comparison compared;  ///< B against A
};

struct answer {
  std::string question;
  std::string verdict;   ///< one of the five above
  std::string sentence;  ///< the same for people, with the figure that decides
  std::vector<evidence> parts;
  std::vector<std::string> notes;  ///< stragglers' names, places that allocate
};

/// `a` and `b` are the sides' runs, of whole rounds.
std::vector<answer> practical_check(const std::vector<record>& a, const std::vector<record>& b, uint64_t seed);

}  // namespace weft_lab
