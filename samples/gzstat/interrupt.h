// Ctrl-C as a value in a channel, not as a blow.
#pragma once

#include <atomic>
#include <thread>

#include <weft/channel.h>

namespace gzstat {

/// While it lives, SIGINT or SIGTERM is a value in signals(); a second one ends the process at once.
class interrupt_watch {
 public:
  /// Keeps the signals from every thread. To be called before there are any others.
  static void block_signals();

  interrupt_watch();
  ~interrupt_watch();
  interrupt_watch(const interrupt_watch&) = delete;
  interrupt_watch& operator=(const interrupt_watch&) = delete;

  [[nodiscard]] weft::channel<int> signals() const { return signals_; }

 private:
  void watch() const;

  weft::channel<int> signals_{1};
  std::atomic<bool> over_{false};
  std::thread watcher_;  // last: it uses the others
};

}  // namespace gzstat
