//! Peer benchmark: Tokio, measured with the same workloads as weft.
//!
//! Two programs: `peer_tokio` runs THREADS workers of the multi-thread scheduler, and `peer_tokio_current` the
//! current-thread scheduler, for THREADS = 1 only. Either way the workload runs as a task, not in `block_on` itself.
//! The allocator is the system's.
//!
//! The workloads lie in `tasks.rs` and `sync.rs`; what they measure stands there.
//!
//! Build: cargo build --release --locked      (or the CMake target peer_tokio)
//! Run:   target/release/peer_tokio WORKLOAD THREADS

mod measure;
mod sync;
mod tasks;

use measure::{check, fail};
use tokio::runtime::Builder;

/// Which of Tokio's schedulers runs the tasks.
pub enum Flavour {
    MultiThread,
    CurrentThread,
}

/// Runs the workload that the command line names, and prints `WORKLOAD THREADS VALUE UNIT`. Ends the process with
/// status 2 if there is no such workload, or if a result is wrong.
pub fn main(flavour: Flavour) {
    let args: Vec<String> = std::env::args().collect();
    check(args.len() == 3, "usage: peer_tokio WORKLOAD THREADS");
    let threads: usize = args[2].parse().unwrap_or(0);
    check(threads >= 1, "THREADS must be at least 1");
    let mut builder = match flavour {
        Flavour::MultiThread => Builder::new_multi_thread(),
        Flavour::CurrentThread => Builder::new_current_thread(),
    };
    if let Flavour::CurrentThread = flavour {
        check(threads == 1, "the current-thread scheduler has one thread");
    } else {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_time().build().expect("cannot make a runtime");
    let rt = measure::Runtime::new(runtime);
    let (value, unit) = match args[1].as_str() {
        "fib" => (tasks::fib(&rt), "ns/call"),
        "pingpong" => (tasks::pingpong(&rt), "ns/roundtrip"),
        "chan128" => (tasks::chan128(&rt), "ns/item"),
        "spawnjoin" => (tasks::spawnjoin(&rt), "ns/task"),
        "spawn1m" => (tasks::spawn1m(&rt), "ns/task"),
        "yield2" => (tasks::yields(&rt, 2), "ns/yield"),
        "yield1000" => (tasks::yields(&rt, 1000), "ns/yield"),
        "parked" => (tasks::parked(&rt), "bytes/task"),
        "memory_burst" => return tasks::memory_burst(&rt),
        "select2" => (sync::select2(&rt), "ns/select"),
        "select8" => (sync::select8(&rt), "ns/select"),
        "selectpark" => (sync::selectpark(&rt), "ns/roundtrip"),
        "chan128_4to4" => (sync::chan128_4to4(&rt), "ns/item"),
        "chan128_4to1" => (sync::chan128_4to1(&rt), "ns/item"),
        "pipeline3" => (sync::pipeline3(&rt), "ns/item"),
        "mutex1" => (sync::mutex1(&rt), "ns/lock"),
        "mutex8" => (sync::mutex8(&rt, false), "ns/lock"),
        "mutexyield8" => (sync::mutex8(&rt, true), "ns/lock"),
        "sem4of8" => (sync::sem4of8(&rt), "ns/acquire"),
        "timerstop" => (sync::timerstop(&rt), "ns/timer"),
        "timerloses" => (sync::timerloses(&rt), "ns/roundtrip"),
        "sleep1m" => (sync::sleep1m(&rt), "ns-cpu/task"),
        other => fail(&format!("unknown workload {other}")),
    };
    println!("{} {} {:.2} {}", args[1], threads, value, unit);
}
