// The smallest program that counts allocations: a task makes one vector; exit 0 if that is what was counted for it.
#include <weft/counting_allocator.h>
#include <weft/weft.h>

#include <cstdio>
#include <vector>

weft::task<int> one_vector(int x) {
  std::vector<int> v(100, x);
  asm volatile("" : : "r"(v.data()) : "memory");
  co_return v[99];
}

int main() {
  const int x = weft::run(one_vector, 7);
  const weft::heap::snapshot all = weft::heap::take_snapshot();
  if (x == 7 && all.of_task("one_vector").allocations == 1) return 0;
  std::fputs(all.text().c_str(), stderr);
  return 1;
}
