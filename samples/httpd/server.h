// The server: accepts connections, watches over their times, and ends when it is told to.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include <weft/channel.h>
#include <weft/semaphore.h>
#include <weft/signal_set.h>
#include <weft/task.h>
#include <weft/task_group.h>
#include <weft/tcp.h>

#include "arguments.h"
#include "connection_list.h"
#include "file_store.h"

namespace httpd {

struct server_figures {
  list_figures list;
  uint64_t full = 0;     ///< times that accepting paused because of the limit
  uint64_t refused = 0;  ///< times that the kernel had no descriptors or memory for a connection
};

class server {
 public:
  server(const arguments& args, file_store& files, weft::tcp_listener listener)
      : args_(args), files_(files), listener_(std::move(listener)), closing_(0), slots_(args.connections_most) {}

  /// Serves until a signal says that it is enough; `print` is called for SIGUSR1. True: every answer was finished.
  weft::task<bool> run(weft::signal_set& signals, std::function<void()> print);

  [[nodiscard]] server_figures figures();

 private:
  static weft::task<> serve(server& s, weft::tcp_stream socket, weft::permit slot);
  weft::task<> accept_all();
  weft::task<> watch();
  weft::task<> close_fresh_later();
  weft::task<> cut_at_signal(weft::signal_set& signals);
  static weft::task<> wait_until_told(weft::signal_set& signals, const std::function<void()>& print);

  const arguments& args_;
  file_store& files_;
  weft::tcp_listener listener_;
  weft::channel<int> closing_;  // closed when it accepts no more
  weft::semaphore slots_;
  connection_list list_;
  weft::task_group connections_;
  std::atomic<uint64_t> full_{0};
  std::atomic<uint64_t> refused_{0};
};

}  // namespace httpd
