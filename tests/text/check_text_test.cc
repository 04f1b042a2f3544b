// Shows that each text rule reports a planted offence, with its place, and stays silent on a clean tree.
//
// Every test writes a small clean tree into a temporary folder and changes one file of it.
#include "text/check_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace weft::check_text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

class CheckTextTest : public ::testing::Test {
 protected:
  CheckTextTest() {
    std::string pattern = fs::temp_directory_path() / "check_text.XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    write("runtime/LAYERS", "# The layers, lowest first.\nbase: task.h\nsched:\n  run.h detail/park.h\n");
    write("runtime/base/CMakeLists.txt", "# The layer called base.\nweft_layer(base FILES list.cc)\n");
    write("runtime/base/list.h", "// A small linked list.\n#pragma once\n");
    write("runtime/base/list.cc", "// A small linked list.\n#include \"base/list.h\"\n");
    write("runtime/sched/queue.h", "// A queue of tasks.\n#include <weft/run.h>\n#include \"base/list.h\"\n");
    write("include/weft/task.h", "// What a task is.\n");
    write("include/weft/run.h", "// How to run one.\n#include <weft/task.h>\n");
    write("include/weft/detail/park.h", "// How to park one.\n");
  }
  ~CheckTextTest() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  // What is found, as the tool prints it.
  [[nodiscard]] std::vector<std::string> found() const {
    std::vector<std::string> lines;
    for (const auto& f : check_tree(root_)) lines.push_back(to_string(f));
    return lines;
  }

 private:
  fs::path root_;
};

TEST_F(CheckTextTest, CleanTreeIsSilent) { EXPECT_THAT(found(), IsEmpty()); }

TEST_F(CheckTextTest, FileWithoutPurposeIsReported) {
  write("runtime/sched/worker.h", "#pragma once\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("runtime/sched/worker.h:1: does not open with a comment")));
}

TEST_F(CheckTextTest, LicenceOrEmptyWordsAreNoPurpose) {
  write("runtime/sched/a.h", "// Copyright of somebody, some time.\n");
  write("runtime/sched/b.h", "// worker.h\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("a.h:1: the opening comment does not"),
                                   HasSubstr("b.h:1: the opening comment does not")));
}

TEST_F(CheckTextTest, ScriptSaysItsPurposeBehindTheFirstLine) {
  write("tool", "#!/bin/sh\n# Does the one thing it is for.\n");
  write("bad", "#!/bin/sh\nset -e\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("bad:2: does not open with a comment")));
}

TEST_F(CheckTextTest, MemoryOrderWithoutReasonIsReported) {
  write("runtime/sched/flag.h", R"(// A flag of threads.
inline int a(std::atomic<int>& x) {
  // acquire: pairs with the release in b().
  return x.load(std::memory_order_acquire);
}
inline void b(std::atomic<int>& x) {

  x.store(1, std::memory_order_release);
  x.store(2, std::memory_order::release);  // release: see above
}
inline const char* text = "std::memory_order_relaxed";
)");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("runtime/sched/flag.h:8: memory_order_release has no reason")));
}

TEST_F(CheckTextTest, ReasonFiveLinesAboveIsTooFar) {
  write("runtime/sched/far.h", "// A flag of threads.\n\n\n\n\nauto o = std::memory_order_relaxed;\n");
  write("runtime/sched/near.h", "// A flag of threads.\n\n\n\nauto o = std::memory_order_relaxed;\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("far.h:6: memory_order_relaxed has no reason")));
}

TEST_F(CheckTextTest, AtomicOperationWithoutOrderIsReported) {
  write("runtime/sched/flag.h", R"(// A flag of threads.
inline int a(std::atomic<int>& x) {
  x.store(f(1),
          std::memory_order_relaxed);  // relaxed: nobody looks yet
  return x->load() + x.fetch_add(f(1));
}
)");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("flag.h:5: fetch_add() does not name its memory order"),
                                   HasSubstr("flag.h:5: load() does not name its memory order")));
}

TEST_F(CheckTextTest, IncludeThatPointsUpwardIsReported) {
  write("runtime/base/list.h", "// A small linked list.\n#include \"sched/queue.h\"\n#include <weft/run.h>\n");
  write("include/weft/task.h", "// What a task is.\n#include <weft/detail/park.h>\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("include/weft/task.h:2: includes \"weft/detail/park.h\": base is below"),
                                   HasSubstr("runtime/base/list.h:2: includes \"sched/queue.h\": base is below sched"),
                                   HasSubstr("runtime/base/list.h:3: includes \"weft/run.h\": base is below sched")));
}

TEST_F(CheckTextTest, CommentedIncludeDoesNotCount) {
  write("runtime/base/list.h", "// A small linked list.\n// #include \"sched/queue.h\"\n");
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CheckTextTest, InternalsStayInside) {
  write("CMakeLists.txt", "# The list of all.\nadd(bench/a.cc samples/b.cc tests/c.cc)\n");
  write("bench/a.cc", "// Measures the queue alone.\n#include \"sched/queue.h\"\n");
  write("samples/b.cc", "// Shows the parking lot.\n#include <weft/detail/park.h>\n");
  write("tests/c.cc", "// Tests the queue alone.\n#include \"sched/queue.h\"\n");
  write("include/weft/run.h", "// How to run one.\n#include \"sched/queue.h\"\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("bench/a.cc:2: includes \"sched/queue.h\", an internal"),
                                   HasSubstr("include/weft/run.h:2: includes \"sched/queue.h\", an internal"),
                                   HasSubstr("samples/b.cc:2: includes <weft/detail/park.h>: a sample")));
}

TEST_F(CheckTextTest, OnlyOsIncludesSystemHeaders) {
  write("runtime/sched/queue.h", "// A queue of tasks.\n#include <sys/mman.h>\n#include <vector>\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("queue.h:2: includes <sys/mman.h>: only the layer os")));
}

TEST_F(CheckTextTest, MissingIncludeIsReported) {
  write("runtime/sched/queue.h", "// A queue of tasks.\n#include \"base/gone.h\"\n#include <weft/gone.h>\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("queue.h:2: includes \"base/gone.h\", which is not in runtime/"),
                                   HasSubstr("queue.h:3: includes <weft/gone.h>, which runtime/LAYERS does not")));
}

TEST_F(CheckTextTest, UnknownFilesAreReported) {
  write("include/weft/new.h", "// A header nobody listed.\n");
  write("runtime/extra/a.h", "// A layer nobody listed.\n");
  write("runtime/base/old.cpp", "// An ending nobody uses.\n");
  write("runtime/base/new.cc", "// A source nobody builds.\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("include/weft/new.h: unknown file: runtime/LAYERS does not list"),
                                   HasSubstr("runtime/base/new.cc: no CMakeLists.txt lists"),
                                   HasSubstr("runtime/base/old.cpp: unknown file: C++ files end in"),
                                   HasSubstr("runtime/extra/a.h: unknown file: runtime/LAYERS has no layer 'extra'")));
}

TEST_F(CheckTextTest, LayersListsEachHeaderOnceAndNoneThatIsGone) {
  write("runtime/LAYERS", "# The layers, lowest first.\nbase: task.h\nsched: run.h detail/park.h task.h gone.h\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("runtime/LAYERS:3: lists gone.h, which is not in include/weft/"),
                                   HasSubstr("runtime/LAYERS:3: task.h is listed twice")));
}

TEST_F(CheckTextTest, TestsThatThePagesNameAreThere) {
  write("tests/CMakeLists.txt", "# Tests of the list.\nweft_test(list_test FILES list_test.cc)\n");
  write("tests/list_test.cc",
        "// What a list does.\nTEST(ListTest, IsEmptyAtFirst) {}\nTEST_P(ListTest2,\n       Grows) {}\n");
  write("docs/list.md",
        "| it is empty | `ListTest.IsEmptyAtFirst` |\n| it grows | `ListTest2.Grows`, `ListTest.Shrinks` |\n"
        "`list_test.cc`, `x.y`, `Test`, a ` alone, and no code: ListTest.Sings\n");
  write("README.md", "`ListTest.Flies` is no page of docs/\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("docs/list.md:2: names the test ListTest.Shrinks")));
}

TEST_F(CheckTextTest, LayoutIsReported) {
  write("runtime/sched/wide.h", "// A line that is too wide.\n//" + std::string(119, 'x') + "\n\tint a;\nint b; \n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("wide.h:2: line of 121 columns"), HasSubstr("wide.h:3: tab"),
                                   HasSubstr("wide.h:4: trailing space")));
}

TEST_F(CheckTextTest, TodoMustAskAQuestion) {
  const std::string todo = "TODO";
  write("runtime/sched/todo.h", "// A file of plans.\n// " + todo + ": faster\n// " + todo + ": is four enough?\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("todo.h:2: TODO without a question")));
}

}  // namespace
}  // namespace weft::check_text
