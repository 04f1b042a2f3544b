// The smallest program that uses weft: run a task that awaits another, and exit 0 if the sum is right.
#include <weft/weft.h>

weft::task<int> add(int a, int b) { co_return a + b; }
weft::task<int> amain(int x) { co_return co_await add(x, 2); }
int main() { return weft::run(amain, 1) == 3 ? 0 : 1; }
