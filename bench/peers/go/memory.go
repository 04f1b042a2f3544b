// The memory ceiling, measured with Go's sync.Pool.
package main

import (
	"fmt"
	"os"
	"runtime"
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
// prints seconds, CPU seconds, the most that was resident, and collections. It has a line of its own, since the knobs
// come from the environment.
func init() {
	if len(os.Args) == 3 && os.Args[1] == "memory_ceiling" {
		threads, err := strconv.Atoi(os.Args[2])
		if err != nil || threads < 1 {
			fail("the number of threads must be positive")
		}
		runtime.GOMAXPROCS(threads)
		runMemoryCeiling(threads)
		os.Exit(0)
	}
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
					for at := range *b {
						(*b)[at] = byte(i)
					}
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
