// Waits for signals.
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

namespace gzstat {
namespace {

constexpr int interrupted = 130;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void interrupt_watch::block_signals() {
  const sigset_t set = watched_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

interrupt_watch::interrupt_watch() : watcher_([this] { watch(); }) {}

interrupt_watch::~interrupt_watch() {
  // release: pairs with the acquire in watch().
  over_.store(true, std::memory_order_release);
  ::pthread_kill(watcher_.native_handle(), SIGTERM);
  watcher_.join();
}

void interrupt_watch::watch() const {
  const sigset_t set = watched_signals();
  for (bool again = false;; again = true) {
    int signal = 0;
    ::sigwait(&set, &signal);
    // acquire: pairs with the release in the destructor, which sends the signal itself.
    if (over_.load(std::memory_order_acquire)) return;
    if (again) ::_exit(interrupted);
    (void)signals_.try_send(signal);
  }
}

}  // namespace gzstat
