// Peer benchmark: the Go runtime, measured with the same workloads as weft.
//
//	fib        fork-join fib(30), one goroutine and one WaitGroup per fork, ns per call. 30 and not the usual 34,
//	           which takes 17 s and at 1 thread costs a quarter or more on top per call
//	pingpong   two goroutines, two unbuffered channels, ns per round trip
//	chan128    one producer, one consumer, channel of capacity 128, ns per item
//	spawnjoin  start one goroutine and wait for it, repeated, ns per task
//	spawn1m    start 1,000,000 goroutines, then wait for all; median of 3, ns per task
//	yield2     2 goroutines calling runtime.Gosched in a loop, ns per yield (wall time / all yields)
//	yield1000  the same with 1000 goroutines
//	parked     1,000,000 goroutines blocked on one channel: growth of the resident set, bytes per task
//
//	readmetrics metrics.Read of every metric into the same samples, ns per read
//
// and, in sync.go and pool.go, the workloads of select, streams, locks, timers and pools.
//
// THREADS sets GOMAXPROCS. The garbage collector runs with its defaults.
//
// Build: GOTOOLCHAIN=local GOFLAGS=-mod=mod go build -o peer_go .      (or the CMake target peer_go)
// Run:   ./peer_go WORKLOAD THREADS
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	fibN      = 30
	fibResult = 832_040
	fibCalls  = 2*1_346_269 - 1 // 2 * fib(fibN + 1) - 1
	million   = 1_000_000
)

func fail(message string) {
	fmt.Fprintln(os.Stderr, "error: "+message)
	os.Exit(2)
}

func check(condition bool, message string) {
	if !condition {
		fail(message)
	}
}

func elapsedNs(body func()) float64 {
	start := time.Now()
	body()
	return float64(time.Since(start).Nanoseconds())
}

// nsPerOp calls body with a growing count until one call lasts about half a second, and returns the nanoseconds per
// unit of that last call. The shorter calls before it serve as the warm-up.
func nsPerOp(count int, body func(count int)) float64 {
	const longEnoughNs, targetNs = 0.3e9, 0.5e9
	for {
		ns := elapsedNs(func() { body(count) })
		if ns >= longEnoughNs {
			return ns / float64(count)
		}
		growth := min(max(targetNs/max(ns, 1), 1.5), 10)
		count = int(float64(count) * growth)
	}
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	var left int
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		left = fib(n - 1)
		group.Done()
	}()
	right := fib(n - 2)
	group.Wait()
	return left + right
}

func runFib() float64 {
	result := 0
	ns := elapsedNs(func() { result = fib(fibN) })
	check(result == fibResult, "fib: wrong result")
	return ns / fibCalls
}

func runPingpong() float64 {
	return nsPerOp(1000, func(count int) {
		ping, pong := make(chan int), make(chan int)
		var group sync.WaitGroup
		group.Add(2)
		go func() {
			for range count {
				pong <- <-ping + 1
			}
			group.Done()
		}()
		value := 0
		go func() {
			for range count {
				ping <- value
				value = <-pong
			}
			group.Done()
		}()
		group.Wait()
		check(value == count, "pingpong: wrong value")
	})
}

func runChan128() float64 {
	return nsPerOp(1000, func(count int) {
		channel := make(chan int, 128)
		sum := 0
		var group sync.WaitGroup
		group.Add(2)
		go func() {
			for i := range count {
				channel <- i
			}
			close(channel)
			group.Done()
		}()
		go func() {
			for item := range channel {
				sum += item
			}
			group.Done()
		}()
		group.Wait()
		check(sum == count*(count-1)/2, "chan128: wrong sum")
	})
}

func runSpawnjoin() float64 {
	return nsPerOp(1000, func(count int) {
		var sum atomic.Int64
		var group sync.WaitGroup
		for range count {
			group.Add(1)
			go func() {
				sum.Add(1)
				group.Done()
			}()
			group.Wait()
		}
		check(sum.Load() == int64(count), "spawnjoin: wrong count")
	})
}

func runSpawn1m() float64 {
	var runs []float64
	for range 3 {
		var sum atomic.Int64
		runs = append(runs, elapsedNs(func() {
			var group sync.WaitGroup
			group.Add(million)
			for range million {
				go func() {
					sum.Add(1)
					group.Done()
				}()
			}
			group.Wait()
		}))
		check(sum.Load() == million, "spawn1m: wrong count")
	}
	slices.Sort(runs)
	return runs[1] / million
}

func runYield(tasks int) float64 {
	nsPerRound := nsPerOp(10, func(rounds int) {
		var group sync.WaitGroup
		group.Add(tasks)
		for range tasks {
			go func() {
				for range rounds {
					runtime.Gosched()
				}
				group.Done()
			}()
		}
		group.Wait()
	})
	return nsPerRound / float64(tasks)
}

// residentBytes is the resident set size of this process.
func residentBytes() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		fail(err.Error())
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		fail(err.Error())
	}
	return pages * os.Getpagesize()
}

func runParked() float64 {
	gate := make(chan struct{})
	var arrived, released atomic.Int64
	before := residentBytes()
	for range million {
		go func() {
			arrived.Add(1)
			<-gate
			released.Add(1)
		}()
	}
	for arrived.Load() < million {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // the last ones are between their Add and their receive
	after := residentBytes()
	close(gate)
	for released.Load() < million {
		time.Sleep(time.Millisecond)
	}
	return float64(after-before) / million
}

func runReadmetrics() float64 {
	var samples []metrics.Sample
	for _, description := range metrics.All() {
		samples = append(samples, metrics.Sample{Name: description.Name})
	}
	return nsPerOp(1000, func(count int) {
		for range count {
			metrics.Read(samples)
		}
	})
}

func main() {
	if len(os.Args) != 3 {
		fail("usage: peer_go WORKLOAD THREADS")
	}
	workload := os.Args[1]
	threads, err := strconv.Atoi(os.Args[2])
	check(err == nil && threads >= 1, "THREADS must be at least 1")
	runtime.GOMAXPROCS(threads)

	var value float64
	var unit string
	switch workload {
	case "fib":
		value, unit = runFib(), "ns/call"
	case "pingpong":
		value, unit = runPingpong(), "ns/roundtrip"
	case "chan128":
		value, unit = runChan128(), "ns/item"
	case "spawnjoin":
		value, unit = runSpawnjoin(), "ns/task"
	case "spawn1m":
		value, unit = runSpawn1m(), "ns/task"
	case "yield2":
		value, unit = runYield(2), "ns/yield"
	case "yield1000":
		value, unit = runYield(1000), "ns/yield"
	case "readmetrics":
		value, unit = runReadmetrics(), "ns/read"
	case "parked":
		value, unit = runParked(), "bytes/task"
	default:
		found, ok := syncWorkloads[workload]
		if !ok {
			fail("unknown workload " + workload)
		}
		value, unit = found.run(), found.unit
	}
	fmt.Printf("%s %d %.2f %s\n", workload, threads, value, unit)
}
