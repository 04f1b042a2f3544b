// The processor count follows affinity and the cgroup files, here planted in a folder that plays "/".
#include "os/cpu.h"

#include <gtest/gtest.h>

#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace weft::os {
namespace {

namespace fs = std::filesystem;

class CgroupTest : public ::testing::Test {
 protected:
  CgroupTest() {
    std::string pattern = (fs::temp_directory_path() / "weft_cgroup_XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~CgroupTest() override { fs::remove_all(root_); }

  void plant(const std::string& path, std::string_view text) const {
    const fs::path file = root_ + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  // A version 2 hierarchy, mounted whole, with this process in /a/b.
  void plant_version_2() const {
    plant("/proc/self/cgroup", "0::/a/b\n");
    plant("/proc/self/mountinfo",
          "22 28 0:21 / /proc rw,nosuid - proc proc rw\n"
          "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  }

  // A version 1 cpu hierarchy whose group /docker/x is what the container sees mounted.
  void plant_version_1() const {
    plant("/proc/self/cgroup", "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x/inner\n1:name=systemd:/docker/x\n");
    plant("/proc/self/mountinfo",
          "40 30 0:30 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
          "41 30 0:31 /docker/x /sys/fs/cgroup/cpu,cpuacct ro master:11 - cgroup cgroup rw,cpu,cpuacct\n");
  }

  std::optional<int> processors() const { return cgroup_processors(root_); }

  std::string root_;
};

TEST_F(CgroupTest, NoFilesMeanNoLimit) { EXPECT_EQ(processors(), std::nullopt); }

TEST_F(CgroupTest, Version2QuotaIsRoundedUp) {
  plant_version_2();
  plant("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
  EXPECT_EQ(processors(), 3);
  plant("/sys/fs/cgroup/a/b/cpu.max", "200000 100000\n");
  EXPECT_EQ(processors(), 2);
  plant("/sys/fs/cgroup/a/b/cpu.max", "1000 100000\n");
  EXPECT_EQ(processors(), 1);
}

TEST_F(CgroupTest, Version2MaxIsNoLimit) {
  plant_version_2();
  plant("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(processors(), std::nullopt);
}

TEST_F(CgroupTest, AParentsLimitBinds) {
  plant_version_2();
  plant("/sys/fs/cgroup/a/b/cpu.max", "800000 100000\n");
  plant("/sys/fs/cgroup/a/cpu.max", "400000 100000\n");
  EXPECT_EQ(processors(), 4);
  plant("/sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(processors(), 1);
}

TEST_F(CgroupTest, AGroupOutsideOfTheMountUsesTheMountItself) {
  plant_version_2();
  plant("/proc/self/cgroup", "0::/../elsewhere\n");
  plant("/sys/fs/cgroup/cpu.max", "300000 100000\n");
  EXPECT_EQ(processors(), 3);
}

TEST_F(CgroupTest, Version1QuotaIsFoundBelowTheContainersMount) {
  plant_version_1();
  plant("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us", "-1\n");
  plant("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(processors(), std::nullopt);
  plant("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n");
  plant("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(processors(), 2);
}

TEST_F(CgroupTest, AMountPointMayHoldBlanks) {
  plant("/proc/self/cgroup", "0::/\n");
  plant("/proc/self/mountinfo", "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
  plant("/my groups/cpu.max", "700000 100000\n");
  EXPECT_EQ(processors(), 7);
}

TEST_F(CgroupTest, MalformedFilesMeanNoLimit) {
  plant_version_2();
  for (const std::string_view text :
       {"", "\n", "lots 100000\n", "100000 soon\n", "100000 0\n", "-5 100000\n", "0 0\n"}) {
    plant("/sys/fs/cgroup/a/b/cpu.max", text);
    EXPECT_EQ(processors(), std::nullopt) << text;
  }
  plant("/proc/self/mountinfo", "30 23 - cgroup2\nnonsense\n - \n");
  EXPECT_EQ(processors(), std::nullopt);
  plant("/proc/self/cgroup", "0:/a\n:\n\n");
  EXPECT_EQ(processors(), std::nullopt);
}

TEST_F(CgroupTest, AnAbsurdQuotaDoesNotOverflow) {
  plant_version_2();
  plant("/sys/fs/cgroup/a/b/cpu.max", "9223372036854775807 1\n");
  ASSERT_TRUE(processors().has_value());
  EXPECT_GT(*processors(), 1000);
}

TEST(CpuTest, CountsTheAffinityMask) {
  std::jthread([] {
    cpu_set_t mask;
    ASSERT_EQ(::sched_getaffinity(0, sizeof mask, &mask), 0);
    EXPECT_EQ(affinity_processors(), CPU_COUNT(&mask));
    int first = 0;
    while (!CPU_ISSET(first, &mask)) ++first;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    ASSERT_EQ(::sched_setaffinity(0, sizeof mask, &mask), 0);
    EXPECT_EQ(affinity_processors(), 1);
    EXPECT_EQ(available_processors(), 1);
  });
}

TEST(CpuTest, AvailableIsBetweenOneAndTheAffinityMask) {
  EXPECT_GE(available_processors(), 1);
  EXPECT_LE(available_processors(), affinity_processors());
}

}  // namespace
}  // namespace weft::os
