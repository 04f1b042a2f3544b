// The three doors to the outside world, passed together: system calls, time, chance.
//
// A runtime is given one `seams` and reaches the world through nothing else; a test passes its own doors.
//
// Invariants: the pointers are never null and what they point at outlives the runtime that holds them.
#pragma once

#include "os/clock.h"
#include "os/random.h"
#include "os/system.h"

namespace weft::os {

struct seams {
  system* sys;
  clock* time;
  random_source* random;

  /// The real world.
  [[nodiscard]] static seams real() noexcept { return {&system::real(), &clock::real(), &random_source::real()}; }
};

}  // namespace weft::os
