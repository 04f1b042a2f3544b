//! Workloads of select, streams, locks and timers.
//!
//! - select2: `tokio::select!`, in its random order, over the receivers of 2 mpsc channels of capacity 1, all full: one
//!   receive, and a send that fills the channel again; ns per send and select
//! - select8: the same with 8 channels
//! - selectpark: two tasks answer each other over mpsc channels of capacity 1, each waits in a select over 2 receives,
//!   of which one never comes; ns per round trip
//! - chan128_4to4: 4 producers, 4 consumers, capacity 128, ns per item: the channel of the crate async-channel, as
//!   Tokio's have one receiver
//! - chan128_4to1: 4 producers, one consumer, mpsc channel of capacity 128; ns per item
//! - pipeline3: source, middle and sink with two mpsc channels of capacity 64 between them; ns per item
//! - mutex1: one task locks, adds one and unlocks a `tokio::sync::Mutex`; ns per lock
//! - mutex8: 8 tasks do so with one mutex, and nobody yields inside; ns per lock
//! - mutexyield8: 8 tasks, each awaits `yield_now` while it holds the lock; ns per lock
//! - sem4of8: a semaphore of 4 permits, 8 tasks: acquire one, `yield_now`, release; ns per acquire
//! - timerstop: a `sleep` of one hour, polled once, which arms it, and dropped; ns per timer
//! - timerloses: two tasks answer each other over mpsc channels of capacity 1; the asker waits in a select over the
//!   answer and a `sleep` of one hour, which always loses; ns per round trip
//! - sleep1m: spawn 1,000,000 tasks that sleep once each, 1 to 3 s by a hash of their number, and wait for all; CPU
//!   time of the process, user and system, in ns per task. Tokio's timers have a granularity of 1 ms

use crate::measure::{LONGEST_SLEEP, MILLION, Runtime, check, cpu_ns, elapsed_ns, fail, ns_per_op, sleep_of};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, Semaphore, mpsc};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;

const CONTENDERS: u64 = 8;
const HOUR: Duration = Duration::from_secs(3600);

fn sum_below(count: u64) -> u64 {
    count * (count - 1) / 2
}

async fn join_all<T>(handles: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::new();
    for handle in handles {
        results.push(handle.await.expect("a task has failed"));
    }
    results
}

fn full_channel() -> (mpsc::Sender<u64>, mpsc::Receiver<u64>) {
    let (out, input) = mpsc::channel(1);
    out.try_send(1).expect("select: a channel is full from the start");
    (out, input)
}

// One select, and the send that fills the channel again; evaluates to the value.
macro_rules! select_and_refill {
    ($($channel:ident),*) => {
        tokio::select! {
            $(value = $channel.1.recv() => {
                $channel.0.send(1).await.expect("select: closed");
                value.expect("select: closed")
            })*
        }
    };
}

async fn select_of_two(count: u64) -> u64 {
    let (mut a, mut b) = (full_channel(), full_channel());
    let mut received = 0;
    for _ in 0..count {
        received += select_and_refill!(a, b);
    }
    check(a.1.len() == 1 && b.1.len() == 1, "select2: a channel is not full at the end");
    received
}

pub fn select2(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(select_of_two(count)) == count, "select2: wrong count"))
}

async fn select_of_eight(count: u64) -> u64 {
    let (mut a, mut b, mut c, mut d) = (full_channel(), full_channel(), full_channel(), full_channel());
    let (mut e, mut f, mut g, mut h) = (full_channel(), full_channel(), full_channel(), full_channel());
    let mut received = 0;
    for _ in 0..count {
        received += select_and_refill!(a, b, c, d, e, f, g, h);
    }
    for channel in [a, b, c, d, e, f, g, h] {
        check(channel.1.len() == 1, "select8: a channel is not full at the end");
    }
    received
}

pub fn select8(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(select_of_eight(count)) == count, "select8: wrong count"))
}

// Waits for a value from `input` while `never` stays silent.
async fn select_one(input: &mut mpsc::Receiver<u64>, never: &mut mpsc::Receiver<u64>) -> u64 {
    tokio::select! {
        value = input.recv() => value.expect("selectpark: closed"),
        _ = never.recv() => fail("selectpark: a value came from nowhere"),
    }
}

async fn ask(count: u64) -> u64 {
    let (there, mut there_in) = mpsc::channel(1);
    let (back, mut back_in) = mpsc::channel(1);
    let (_kept_open, mut never) = mpsc::channel(1);
    let (_kept_open_too, mut never_either) = mpsc::channel(1);
    let answering = tokio::spawn(async move {
        for _ in 0..count {
            let value = select_one(&mut there_in, &mut never_either).await;
            back.send(value + 1).await.expect("selectpark: closed");
        }
    });
    let mut value = 0;
    for _ in 0..count {
        there.send(value).await.expect("selectpark: closed");
        value = select_one(&mut back_in, &mut never).await;
    }
    answering.await.expect("selectpark: a task has failed");
    value
}

pub fn selectpark(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(ask(count)) == count, "selectpark: wrong value"))
}

async fn stream_4to4(count: u64) -> u64 {
    let (out, input) = async_channel::bounded(128);
    let mut consuming = Vec::new();
    for first in 0..4 {
        let out = out.clone();
        tokio::spawn(async move {
            let mut i = first;
            while i < count {
                out.send(i).await.expect("chan128: closed");
                i += 4;
            }
        });
        let input = input.clone();
        consuming.push(tokio::spawn(async move {
            let mut sum = 0;
            while let Ok(item) = input.recv().await {
                sum += item;
            }
            sum
        }));
    }
    drop(out); // the last producer closes the channel
    join_all(consuming).await.iter().sum()
}

pub fn chan128_4to4(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(stream_4to4(count)) == sum_below(count), "chan128: wrong sum"))
}

async fn stream_4to1(count: u64) -> u64 {
    let (out, mut input) = mpsc::channel(128);
    for first in 0..4 {
        let out = out.clone();
        tokio::spawn(async move {
            let mut i = first;
            while i < count {
                out.send(i).await.expect("chan128: closed");
                i += 4;
            }
        });
    }
    drop(out); // the last producer closes the channel
    let consuming = tokio::spawn(async move {
        let mut sum = 0;
        while let Some(item) = input.recv().await {
            sum += item;
        }
        sum
    });
    consuming.await.expect("chan128: a task has failed")
}

pub fn chan128_4to1(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(stream_4to1(count)) == sum_below(count), "chan128: wrong sum"))
}

async fn pipeline(count: u64) -> u64 {
    let (first, mut first_in) = mpsc::channel(64);
    let (second, mut second_in) = mpsc::channel(64);
    tokio::spawn(async move {
        for i in 0..count {
            first.send(i).await.expect("pipeline3: closed");
        }
    });
    tokio::spawn(async move {
        while let Some(item) = first_in.recv().await {
            second.send(item + 1).await.expect("pipeline3: closed");
        }
    });
    let mut sum = 0;
    while let Some(item) = second_in.recv().await {
        sum += item;
    }
    sum
}

pub fn pipeline3(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(pipeline(count)) == sum_below(count) + count, "pipeline3: wrong sum"))
}

async fn lock_alone(count: u64) -> u64 {
    let mutex = Mutex::new(0);
    for _ in 0..count {
        *mutex.lock().await += 1;
    }
    mutex.into_inner()
}

pub fn mutex1(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(lock_alone(count)) == count, "mutex1: wrong count"))
}

async fn lock_together(rounds: u64, yields: bool) -> u64 {
    let mutex = Arc::new(Mutex::new(0));
    let mut handles = Vec::new();
    for _ in 0..CONTENDERS {
        let mutex = mutex.clone();
        handles.push(tokio::spawn(async move {
            for _ in 0..rounds {
                let mut sum = mutex.lock().await;
                *sum += 1;
                if yields {
                    yield_now().await;
                }
            }
        }));
    }
    join_all(handles).await;
    *mutex.lock().await
}

pub fn mutex8(rt: &Runtime, yields: bool) -> f64 {
    let ns_per_round = ns_per_op(1000, |rounds| {
        check(rt.run(lock_together(rounds, yields)) == CONTENDERS * rounds, "mutex8: wrong count");
    });
    ns_per_round / CONTENDERS as f64
}

async fn acquire_together(rounds: u64) -> u64 {
    let slots = Arc::new(Semaphore::new(4));
    let mut handles = Vec::new();
    for _ in 0..CONTENDERS {
        let slots = slots.clone();
        handles.push(tokio::spawn(async move {
            let mut sum = 0;
            for _ in 0..rounds {
                let _held = slots.acquire().await.expect("sem4of8: closed");
                sum += 1;
                yield_now().await;
            }
            sum
        }));
    }
    let sum = join_all(handles).await.iter().sum();
    check(slots.available_permits() == 4, "sem4of8: a permit is missing at the end");
    sum
}

pub fn sem4of8(rt: &Runtime) -> f64 {
    let ns_per_round = ns_per_op(1000, |rounds| {
        check(rt.run(acquire_together(rounds)) == CONTENDERS * rounds, "sem4of8: wrong count");
    });
    ns_per_round / CONTENDERS as f64
}

async fn arm_and_disarm(count: u64) -> u64 {
    let mut disarmed = 0;
    for _ in 0..count {
        let timer = sleep(HOUR);
        tokio::pin!(timer);
        let fired = std::future::poll_fn(|context| Poll::Ready(timer.as_mut().poll(context).is_ready())).await;
        disarmed += u64::from(!fired);
    }
    disarmed
}

pub fn timerstop(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(arm_and_disarm(count)) == count, "timerstop: wrong count"))
}

async fn beat_the_timer(count: u64) -> u64 {
    let (there, mut there_in) = mpsc::channel(1);
    let (back, mut back_in) = mpsc::channel(1);
    let answering = tokio::spawn(async move {
        while let Some(value) = there_in.recv().await {
            back.send(value + 1).await.expect("timerloses: closed");
        }
    });
    let mut value: u64 = 0;
    for _ in 0..count {
        there.send(value).await.expect("timerloses: closed");
        value = tokio::select! {
            answer = back_in.recv() => answer.expect("timerloses: closed"),
            () = sleep(HOUR) => fail("timerloses: a timer has won"),
        };
    }
    drop(there);
    answering.await.expect("timerloses: a task has failed");
    value
}

pub fn timerloses(rt: &Runtime) -> f64 {
    ns_per_op(1000, |count| check(rt.run(beat_the_timer(count)) == count, "timerloses: wrong value"))
}

// Counts the sleepers that are left; the last one ends the wait.
struct Sleepers {
    left: AtomicU64,
    all_awake: Notify,
}

async fn sleep_all() {
    let sleepers = Arc::new(Sleepers { left: AtomicU64::new(MILLION), all_awake: Notify::new() });
    for i in 0..MILLION {
        let sleepers = sleepers.clone();
        tokio::spawn(async move {
            sleep(sleep_of(i)).await;
            // acq_rel: the last one comes after all others.
            if sleepers.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                sleepers.all_awake.notify_one();
            }
        });
    }
    sleepers.all_awake.notified().await;
}

pub fn sleep1m(rt: &Runtime) -> f64 {
    let before = cpu_ns();
    let lasted = elapsed_ns(|| rt.run(sleep_all()));
    check(lasted >= 0.999 * LONGEST_SLEEP.as_nanos() as f64, "sleep1m: over too soon");
    (cpu_ns() - before) / MILLION as f64
}
