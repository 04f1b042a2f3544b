// Several workers of one kind.
#pragma once

#include <weft/task.h>
#include <weft/task_group.h>

namespace gzstat {

/// Runs `width` times f(args...), side by side, and waits for all of them. The first exception stops the others.
template <class F, class... Args>
weft::task<> run_workers(int width, F f, Args... args) {
  weft::task_group workers;
  for (int i = 0; i < width; ++i) {
    const bool started = co_await workers.go(f, args...);
    if (!started) break;
  }
  co_await workers.wait();
}

}  // namespace gzstat
