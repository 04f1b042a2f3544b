// A note passes one signal from any thread to its waiter, whichever comes first.
#include "os/note.h"

#include <gtest/gtest.h>

#include <thread>

#include "support/fault_system.h"

namespace weft::os {
namespace {

using test::call;
using test::fault_system;

TEST(NoteTest, ASignalBeforeTheWaitIsKept) {
  fault_system sys;
  note n(sys);
  EXPECT_FALSE(n.signalled());
  n.signal();
  n.signal();
  EXPECT_TRUE(n.signalled());
  EXPECT_TRUE(n.wait());
  EXPECT_TRUE(n.wait(0)) << "it stays signalled until reset";
  EXPECT_EQ(sys.count(call::futex_wait), 0) << "no reason to sleep";
  EXPECT_EQ(sys.count(call::futex_wake), 0) << "nobody to wake";
}

TEST(NoteTest, AWaitEndsByItsTimeout) {
  note n(system::real());
  EXPECT_FALSE(n.wait(0));
  EXPECT_FALSE(n.wait(1));
  n.signal();
  EXPECT_TRUE(n.wait(0)) << "a timeout leaves the note usable";
}

TEST(NoteTest, AResetNoteWaitsAgain) {
  note n(system::real());
  n.signal();
  EXPECT_TRUE(n.wait());
  n.reset();
  EXPECT_FALSE(n.signalled());
  EXPECT_FALSE(n.wait(0));
}

TEST(NoteTest, WakesTheWaiterAndShowsItWhatCameBefore) {
  constexpr int rounds = 2000;
  note there(system::real());
  note back(system::real());
  int data = 0;
  std::jthread other([&] {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(there.wait());
      there.reset();
      ++data;
      back.signal();
    }
  });
  for (int i = 0; i < rounds; ++i) {
    there.signal();
    EXPECT_TRUE(back.wait());
    back.reset();
    EXPECT_EQ(data, i + 1);
  }
}

// Sleeps return early for no reason; the note must go back to sleep, and must still notice the signal.
class drowsy_system final : public system {
 public:
  explicit drowsy_system(int stray_wakes) : stray_wakes_(stray_wakes) {}

  void futex_wait(std::atomic<uint32_t>&, uint32_t, int64_t) noexcept override {
    if (stray_wakes_-- == 0) to_signal->signal();
  }
  void futex_wake(std::atomic<uint32_t>&, int) noexcept override { ++wakes; }

  note* to_signal = nullptr;
  int wakes = 0;

 private:
  int stray_wakes_;
};

TEST(NoteTest, StrayWakesDoNotEndAWait) {
  drowsy_system sys(5);
  note n(sys);
  sys.to_signal = &n;
  EXPECT_TRUE(n.wait());
  EXPECT_EQ(sys.wakes, 1);
}

// The waiter may destroy the note the moment wait() returns, while signal() is still on its way out.
TEST(NoteTest, TheWaiterMayDestroyTheNoteAtOnce) {
  for (int i = 0; i < 500; ++i) {
    auto* n = new note(system::real());
    std::jthread signaller([n] { n->signal(); });
    EXPECT_TRUE(n->wait());
    delete n;
  }
}

}  // namespace
}  // namespace weft::os
