//! The runtime that the workloads share, timing loops, and readings of this process.

use std::future::Future;
use std::time::{Duration, Instant};

pub const MILLION: u64 = 1_000_000;

/// Ends the process with status 2.
pub fn fail(message: &str) -> ! {
    eprintln!("error: {message}");
    std::process::exit(2);
}

pub fn check(condition: bool, message: &str) {
    if !condition {
        fail(message);
    }
}

/// A Tokio runtime that runs each workload as a task.
pub struct Runtime {
    tokio: tokio::runtime::Runtime,
}

impl Runtime {
    pub fn new(tokio: tokio::runtime::Runtime) -> Self {
        Self { tokio }
    }

    pub fn threads(&self) -> usize {
        self.tokio.metrics().num_workers()
    }

    /// Runs the future as a task and waits for its result.
    pub fn run<F>(&self, task: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tokio.block_on(async { tokio::spawn(task).await.expect("a task has failed") })
    }
}

pub fn elapsed_ns(body: impl FnOnce()) -> f64 {
    let start = Instant::now();
    body();
    start.elapsed().as_nanos() as f64
}

/// Calls `body` with a growing count until one call lasts about half a second, and returns the nanoseconds per unit of
/// that last call. The shorter calls before it serve as the warm-up.
pub fn ns_per_op(mut count: u64, body: impl Fn(u64)) -> f64 {
    const LONG_ENOUGH_NS: f64 = 0.3e9;
    const TARGET_NS: f64 = 0.5e9;
    loop {
        let ns = elapsed_ns(|| body(count));
        if ns >= LONG_ENOUGH_NS {
            return ns / count as f64;
        }
        let growth = (TARGET_NS / ns.max(1.0)).clamp(1.5, 10.0);
        count = (count as f64 * growth) as u64;
    }
}

/// Median of three timed calls of `body`, in nanoseconds.
pub fn median_of_three_ns(body: impl Fn()) -> f64 {
    let mut runs: Vec<f64> = (0..3).map(|_| elapsed_ns(&body)).collect();
    runs.sort_by(f64::total_cmp);
    runs[1]
}

/// The resident set of this process.
pub fn resident_bytes() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("no /proc/self/statm");
    let pages: i64 = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("odd /proc/self/statm");
    // SAFETY: sysconf has no preconditions.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) }
}

/// The time that all threads of this process have computed, in user mode and in the kernel.
pub fn cpu_ns() -> f64 {
    // SAFETY: rusage is plain data, for which zeros are valid, and getrusage only writes to it.
    let used = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        check(libc::getrusage(libc::RUSAGE_SELF, &mut used) == 0, "getrusage failed");
        used
    };
    let ns = |t: libc::timeval| t.tv_sec as f64 * 1e9 + t.tv_usec as f64 * 1e3;
    ns(used.ru_utime) + ns(used.ru_stime)
}

pub const SHORTEST_SLEEP: Duration = Duration::from_secs(1);
pub const LONGEST_SLEEP: Duration = Duration::from_secs(3);

/// 1 to 3 s, spread evenly by Fibonacci hashing, the same in every runtime.
pub fn sleep_of(i: u64) -> Duration {
    let hash = i.wrapping_mul(2_654_435_761) & 0xffff_ffff;
    let range = (LONGEST_SLEEP - SHORTEST_SLEEP).as_nanos() as u64;
    SHORTEST_SLEEP + Duration::from_nanos((hash * range) >> 32)
}
