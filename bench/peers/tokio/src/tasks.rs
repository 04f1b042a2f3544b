//! Workloads of tasks, yields and hand-offs.
//!
//! - fib: fork-join fib(30), one task and its handle per fork, the other half a boxed call; ns per call. 30 and not the
//!   usual 34 for the same reason as in Go's peer
//! - pingpong: two tasks, two mpsc channels of capacity 1 (Tokio has none of capacity 0), ns per round trip
//! - chan128: one producer, one consumer, mpsc channel of capacity 128, ns per item
//! - spawnjoin: spawn one task and await its handle, repeated, ns per task
//! - spawn1m: spawn 1,000,000 tasks, then await all handles; median of 3, ns per task
//! - yield2: 2 tasks that call `yield_now` in a loop, ns per yield (wall time / all yields)
//! - yield1000: the same with 1000 tasks
//! - parked: 1,000,000 tasks that wait for one semaphore without permits, which is closed at the end: growth of the
//!   resident set, bytes per task. It is the waiting of Tokio's bounded channels; a receiver cannot be shared
//! - memory_burst: the resident set while such tasks wait, when they have ended, ten seconds later, and after glibc's
//!   malloc_trim, MiB; one line for all

use crate::measure::{MILLION, Runtime, check, elapsed_ns, median_of_three_ns, ns_per_op, resident_bytes};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::yield_now;

const FIB_N: u64 = 30;
const FIB_RESULT: u64 = 832_040;
const FIB_CALLS: u64 = 2 * 1_346_269 - 1; // 2 * fib(FIB_N + 1) - 1

fn fib_of(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let left = tokio::spawn(fib_of(n - 1));
        let right = fib_of(n - 2).await;
        left.await.expect("fib: a task has failed") + right
    })
}

pub fn fib(rt: &Runtime) -> f64 {
    let ns = elapsed_ns(|| check(rt.run(fib_of(FIB_N)) == FIB_RESULT, "fib: wrong result"));
    ns / FIB_CALLS as f64
}

async fn play(count: u64) -> u64 {
    let (ping, mut ping_in) = mpsc::channel(1);
    let (pong, mut pong_in) = mpsc::channel(1);
    let echo = tokio::spawn(async move {
        for _ in 0..count {
            let value: u64 = ping_in.recv().await.expect("pingpong: closed");
            pong.send(value + 1).await.expect("pingpong: closed");
        }
    });
    let mut value = 0;
    for _ in 0..count {
        ping.send(value).await.expect("pingpong: closed");
        value = pong_in.recv().await.expect("pingpong: closed");
    }
    echo.await.expect("pingpong: a task has failed");
    value
}

pub fn pingpong(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(play(count)) == count, "pingpong: wrong value"))
}

async fn stream(count: u64) -> u64 {
    let (out, mut input) = mpsc::channel(128);
    let producer = tokio::spawn(async move {
        for i in 0..count {
            out.send(i).await.expect("chan128: closed");
        }
    });
    let mut sum = 0;
    while let Some(item) = input.recv().await {
        sum += item;
    }
    producer.await.expect("chan128: a task has failed");
    sum
}

pub fn chan128(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(stream(count)) == count * (count - 1) / 2, "chan128: wrong sum"))
}

// What the started tasks do, to prove that they ran; relaxed because whoever reads the sum has joined them.
async fn add_one(sum: Arc<AtomicU64>) {
    sum.fetch_add(1, Relaxed);
}

pub fn spawnjoin(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| {
        let sum = Arc::new(AtomicU64::new(0));
        let shared = sum.clone();
        rt.run(async move {
            for _ in 0..count {
                tokio::spawn(add_one(shared.clone())).await.expect("spawnjoin: a task has failed");
            }
        });
        check(sum.load(Relaxed) == count, "spawnjoin: wrong count");
    })
}

pub fn spawn1m(rt: &Runtime) -> f64 {
    let ns = median_of_three_ns(|| {
        let sum = Arc::new(AtomicU64::new(0));
        let shared = sum.clone();
        rt.run(async move {
            let mut handles = Vec::with_capacity(MILLION as usize);
            for _ in 0..MILLION {
                handles.push(tokio::spawn(add_one(shared.clone())));
            }
            for handle in handles {
                handle.await.expect("spawn1m: a task has failed");
            }
        });
        check(sum.load(Relaxed) == MILLION, "spawn1m: wrong count");
    });
    ns / MILLION as f64
}

pub fn yields(rt: &Runtime, tasks: u64) -> f64 {
    let ns_per_round = ns_per_op(10, |rounds| {
        rt.run(async move {
            let mut handles = Vec::new();
            for _ in 0..tasks {
                handles.push(tokio::spawn(async move {
                    for _ in 0..rounds {
                        yield_now().await;
                    }
                }));
            }
            for handle in handles {
                handle.await.expect("yield: a task has failed");
            }
        });
    });
    ns_per_round / tasks as f64
}

// What all parked tasks share; each has one pointer to it.
struct Gate {
    closed_at_the_end: Semaphore,
    arrived: AtomicU64,
    released: AtomicU64,
}

// Sleeps until the count is complete; relaxed because nothing else is read.
async fn until_complete(count: &AtomicU64) {
    while count.load(Relaxed) < MILLION {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub fn parked(rt: &Runtime) -> f64 {
    let gate = Arc::new(Gate {
        closed_at_the_end: Semaphore::new(0),
        arrived: AtomicU64::new(0),
        released: AtomicU64::new(0),
    });
    let grown = rt.run(async move {
        let before = resident_bytes();
        for _ in 0..MILLION {
            let gate = gate.clone();
            tokio::spawn(async move {
                gate.arrived.fetch_add(1, Relaxed);
                let outcome = gate.closed_at_the_end.acquire().await;
                check(outcome.is_err(), "parked: a permit came from nowhere");
                gate.released.fetch_add(1, Relaxed);
            });
        }
        until_complete(&gate.arrived).await;
        tokio::time::sleep(Duration::from_millis(50)).await; // the last ones are between their count and their wait
        let after = resident_bytes();
        gate.closed_at_the_end.close();
        until_complete(&gate.released).await;
        after - before
    });
    grown as f64 / MILLION as f64
}

pub fn memory_burst(rt: &Runtime) {
    const MIB: f64 = (1 << 20) as f64;
    let resident_mib = || resident_bytes() as f64 / MIB;
    let gate = Arc::new(Gate {
        closed_at_the_end: Semaphore::new(0),
        arrived: AtomicU64::new(0),
        released: AtomicU64::new(0),
    });
    let parked = rt.run(async move {
        for _ in 0..MILLION {
            let gate = gate.clone();
            tokio::spawn(async move {
                gate.arrived.fetch_add(1, Relaxed);
                check(gate.closed_at_the_end.acquire().await.is_err(), "memory_burst: a permit came from nowhere");
                gate.released.fetch_add(1, Relaxed);
            });
        }
        until_complete(&gate.arrived).await;
        tokio::time::sleep(Duration::from_millis(50)).await; // as in parked
        let parked = resident_mib();
        gate.closed_at_the_end.close();
        until_complete(&gate.released).await;
        tokio::time::sleep(Duration::from_millis(50)).await; // the last ones are being freed
        parked
    });
    let ended = resident_mib();
    std::thread::sleep(Duration::from_secs(10));
    let later = resident_mib();
    // SAFETY: malloc_trim has no preconditions.
    unsafe { libc::malloc_trim(0) };
    let trimmed = resident_mib();
    println!(
        "memory_burst {}: parked {parked:.1}, ended {ended:.1}, 10 s later {later:.1}, malloc_trim {trimmed:.1} MiB",
        rt.threads()
    );
}
