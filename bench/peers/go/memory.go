// The memory ceiling, measured with Go's sync.Pool, and memory after a burst of goroutines.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The bursty pipeline of bench/memory_bench.cc, with a sync.Pool for each size:
//
//	GOGC=off GOMEMLIMIT=64MiB ./peer_go memory_ceiling THREADS
//
// prints seconds, CPU seconds, the most that was resident, and collections. Collections with full pools:
//
//	./peer_go memory_stw THREADS
//
// prints how long the world was stopped for one, and how long runtime.GC() took, with one pool of 100,000 objects,
// which is what BenchmarkPoolSTW of Go's own package sync measures, and with what `memory_bench epoch` has: 1,000 pools
// of two objects, and 100,000 goroutines that have ended. The burst of bench/memory_bench.cc:
//
//	./peer_go memory_burst THREADS
//
// prints the resident set while 1,000,000 goroutines wait, when they have ended, after one and two collections, after
// ten seconds more, in which the runtime gives memory back by itself, and after debug.FreeOSMemory. Both have lines of
// their own, since they have several figures.
func init() {
	if len(os.Args) != 3 {
		return
	}
	workload, known := map[string]func(threads int){
		"memory_ceiling": runMemoryCeiling,
		"memory_burst":   runMemoryBurst,
		"memory_stw":     runMemoryStw,
	}[os.Args[1]]
	if !known {
		return
	}
	threads, err := strconv.Atoi(os.Args[2])
	if err != nil || threads < 1 {
		fail("the number of threads must be positive")
	}
	runtime.GOMAXPROCS(threads)
	workload(threads)
	os.Exit(0)
}

func residentMiB() float64 { return float64(residentBytes()) / (1 << 20) }

func runMemoryBurst(threads int) {
	gate := make(chan struct{})
	var arrived atomic.Int64
	var ended sync.WaitGroup
	for range million {
		ended.Go(func() {
			arrived.Add(1)
			<-gate
		})
	}
	for arrived.Load() < million {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // the last ones are between their Add and their receive
	parked := residentMiB()
	close(gate)
	ended.Wait()
	after := []float64{residentMiB()}
	for _, step := range []func(){runtime.GC, runtime.GC, func() { time.Sleep(10 * time.Second) }, debug.FreeOSMemory} {
		step()
		after = append(after, residentMiB())
	}
	fmt.Printf("memory_burst %d: parked %.1f, ended %.1f, one GC %.1f, two %.1f, 10 s later %.1f, FreeOSMemory %.1f MiB\n",
		threads, parked, after[0], after[1], after[2], after[3], after[4])
}

// As many as docs/memory.md has of weft. With 100,000 goroutines a round takes a third of a second.
const stwRounds = 60

func runMemoryStw(threads int) {
	debug.SetGCPercent(-1)
	var one sync.Pool
	printCollections("memory_stw_objects", threads, func() {
		for i := range 100_000 {
			one.Put(&stwObjects[i])
		}
	})
	many := make([]sync.Pool, 1000)
	printCollections("memory_stw_pools", threads, func() {
		gate := make(chan struct{})
		var ended sync.WaitGroup
		for range 100_000 {
			ended.Go(func() { <-gate })
		}
		runtime.Gosched()
		close(gate)
		ended.Wait()
		for range threads {
			ended.Go(func() {
				for i := range many {
					many[i].Put(new([64]byte))
					many[i].Put(new([64]byte))
				}
			})
			ended.Wait()
		}
	})
}

var stwObjects [100_000][64]byte

// Prints the median, the 99th percentile and the largest of the pauses and durations of collections, each with what
// fill() has left in pools.
func printCollections(name string, threads int, fill func()) {
	var pauses, durations []float64
	for range stwRounds {
		fill()
		before := stopped()
		begin := time.Now()
		runtime.GC()
		durations = append(durations, float64(time.Since(begin).Nanoseconds())/1e3)
		pauses = append(pauses, float64(stopped()-before)/1e3)
	}
	line := func(what string, list []float64) {
		slices.Sort(list)
		fmt.Printf("%s_%s %d: median %.0f, p99 %.0f, worst %.0f us\n", name, what, threads, list[len(list)/2],
			list[len(list)*99/100], list[len(list)-1])
	}
	line("pause", pauses)
	line("collection", durations)
}

// Nanoseconds that the world was stopped for collections so far.
func stopped() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.PauseTotalNs
}

func peakResidentMiB() float64 {
	text, err := os.ReadFile("/proc/self/status")
	check(err == nil, "cannot read /proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return float64(kib) / 1024
		}
	}
	return -1
}

func cpuSeconds() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano()+used.Stime.Nano()) * 1e-9
}

// As fast as memset: the filled part is doubled by a copy.
func fill(b []byte, value byte) {
	b[0] = value
	for filled := 1; filled < len(b); filled *= 2 {
		copy(b[filled:], b[:filled])
	}
}

func runMemoryCeiling(threads int) {
	const inFlight, rounds = 24 << 20, 12
	sizes := []int{8 << 10, 12 << 10, 16 << 10, 24 << 10, 32 << 10, 48 << 10, 64 << 10, 96 << 10}
	var sum atomic.Uint64
	stage := func(in, out chan *[]byte) {
		for b := range in {
			n := uint64(0)
			for i := 0; i < len(*b); i += 64 {
				n += uint64((*b)[i])
			}
			sum.Add(n)
			out <- b
		}
		close(out)
	}
	pools := make([]sync.Pool, len(sizes))
	var misses, gets int64
	first, second := make(chan *[]byte, 64), make(chan *[]byte, 64)
	last := make(chan *[]byte, inFlight/sizes[0]+1)
	go stage(first, second)
	go stage(second, last)
	begin := time.Now()
	for range rounds {
		for which, size := range sizes {
			pool := &pools[which]
			for range 4 {
				count := inFlight / size
				for i := range count {
					gets++
					b, ok := pool.Get().(*[]byte)
					if !ok {
						misses++
						fresh := make([]byte, size)
						b = &fresh
					}
					fill(*b, byte(i))
					first <- b
				}
				for range count {
					pool.Put(<-last)
				}
			}
		}
	}
	close(first)
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("memory_ceiling %d: %.3f s, %.3f cpu-s, peak %.1f MiB, misses %d of %d, %d collections\n", threads,
		time.Since(begin).Seconds(), cpuSeconds(), peakResidentMiB(), misses, gets, stats.NumGC)
}
