// The memory limit follows the cgroup files, here planted in a folder that plays "/".
#include "os/memory.h"

#include <gtest/gtest.h>

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace weft::os {
namespace {

namespace fs = std::filesystem;

class CgroupMemoryTest : public ::testing::Test {
 protected:
  CgroupMemoryTest() {
    std::string pattern = (fs::temp_directory_path() / "weft_memory_XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~CgroupMemoryTest() override { fs::remove_all(root_); }

  void plant(const std::string& path, std::string_view text) const {
    const fs::path file = root_ + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  void plant_version_2() const {
    plant("/proc/self/cgroup", "0::/a/b\n");
    plant("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
  }

  void plant_version_1() const {
    plant("/proc/self/cgroup", "5:memory:/docker/x/inner\n4:cpu,cpuacct:/docker/x\n");
    plant("/proc/self/mountinfo",
          "40 30 0:30 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
          "41 30 0:31 /docker/x /sys/fs/cgroup/cpu,cpuacct ro master:11 - cgroup cgroup rw,cpu,cpuacct\n");
  }

  std::optional<int64_t> bytes() const { return cgroup_memory_bytes(root_); }

  std::string root_;
};

TEST_F(CgroupMemoryTest, NoFilesMeanNoLimit) { EXPECT_EQ(bytes(), std::nullopt); }

TEST_F(CgroupMemoryTest, Version2LimitIsRead) {
  plant_version_2();
  EXPECT_EQ(bytes(), std::nullopt);
  plant("/sys/fs/cgroup/a/b/memory.max", "67108864\n");
  EXPECT_EQ(bytes(), 64 << 20);
  plant("/sys/fs/cgroup/a/b/memory.max", "max\n");
  EXPECT_EQ(bytes(), std::nullopt);
}

TEST_F(CgroupMemoryTest, TheTightestLimitOfAllAncestorsBinds) {
  plant_version_2();
  plant("/sys/fs/cgroup/a/b/memory.max", "800000\n");
  plant("/sys/fs/cgroup/a/memory.max", "400000\n");
  EXPECT_EQ(bytes(), 400'000);
  plant("/sys/fs/cgroup/a/memory.max", "max\n");
  EXPECT_EQ(bytes(), 800'000);
}

TEST_F(CgroupMemoryTest, Version1LimitIsFoundBelowTheContainersMountAndItsLargestNumberIsNone) {
  plant_version_1();
  plant("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(bytes(), std::nullopt);
  plant("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576\n");
  EXPECT_EQ(bytes(), 1 << 20);
}

TEST_F(CgroupMemoryTest, MalformedFilesMeanNoLimit) {
  plant_version_2();
  for (const std::string_view text : {"", "\n", "lots\n", "-5\n", "99999999999999999999\n", "64MiB\n"}) {
    plant("/sys/fs/cgroup/a/b/memory.max", text);
    EXPECT_EQ(bytes(), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace weft::os
