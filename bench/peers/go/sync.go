// Workloads of select, streams, locks and timers.
//
//	select2       select over 2 channels of capacity 1, all full: one receive, and a send that fills the channel
//	              again; ns per send and select
//	select8       the same with 8 channels
//	selectpark    two goroutines answer each other over channels of capacity 1, each waits in a select over 2 receives,
//	              of which one never comes; ns per round trip
//	chan128_4to4  4 producers, one channel of capacity 128, 4 consumers; ns per item
//	chan128_4to1  4 producers, one channel of capacity 128, one consumer; ns per item
//	pipeline3     source, middle and sink with two channels of capacity 64 between them; ns per item
//	mutex1        one goroutine locks, adds one and unlocks a sync.Mutex; ns per lock
//	mutex8        8 goroutines do so with one mutex, and nobody yields inside; ns per lock
//	mutexyield8   8 goroutines, each calls runtime.Gosched while it holds the lock; ns per lock
//	sem4of8       a semaphore of 4 permits, 8 goroutines: acquire one, Gosched, release; ns per acquire. The standard
//	              library exports no semaphore, so this is the usual channel of capacity 4
//	timerstop     time.AfterFunc of one hour and Stop; ns per timer. time.NewTimer would be cheaper and say less: since
//	              1.23 its timer enters the heap only when somebody waits for its channel
//	timerloses    two goroutines answer each other over channels of capacity 1; the asker waits in a select over the
//	              answer and a time.NewTimer of one hour, which always loses and is stopped; ns per round trip
//	sleep1m       start 1,000,000 goroutines that sleep once each, 1 to 3 s by a hash of their number, and wait for
//	              all; CPU time of the process, user and system, in ns per goroutine
package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const contenders = 8

var syncWorkloads = map[string]struct {
	run  func() float64
	unit string
}{
	"select2":      {runSelect2, "ns/select"},
	"select8":      {runSelect8, "ns/select"},
	"selectpark":   {runSelectpark, "ns/roundtrip"},
	"chan128_4to4": {func() float64 { return runStream(4, 4) }, "ns/item"},
	"chan128_4to1": {func() float64 { return runStream(4, 1) }, "ns/item"},
	"pipeline3":    {runPipeline3, "ns/item"},
	"mutex1":       {runMutex1, "ns/lock"},
	"mutex8":       {func() float64 { return runMutex8(false) }, "ns/lock"},
	"mutexyield8":  {func() float64 { return runMutex8(true) }, "ns/lock"},
	"sem4of8":      {runSem4of8, "ns/acquire"},
	"timerstop":    {runTimerstop, "ns/timer"},
	"timerloses":   {runTimerloses, "ns/roundtrip"},
	"sleep1m":      {runSleep1m, "ns-cpu/task"},
	"poolhot":      {runPoolhot, "ns/pair"},
	"poolhundred":  {runPoolhundred, "ns/object"},
	"poolstarve":   {runPoolstarve, "ns/object"},
}

// inGoroutine runs body in a goroutine of its own, as the other runtimes must, and waits for it.
func inGoroutine(body func()) {
	var group sync.WaitGroup
	group.Go(body)
	group.Wait()
}

func fullChannels(n int) []chan int {
	channels := make([]chan int, n)
	for i := range channels {
		channels[i] = make(chan int, 1)
		channels[i] <- 1
	}
	return channels
}

func checkFull(channels []chan int) {
	for _, c := range channels {
		check(len(c) == 1, "select: a channel is not full at the end")
	}
}

func runSelect2() float64 {
	return nsPerOp(1000, func(count int) {
		inGoroutine(func() {
			c := fullChannels(2)
			c0, c1 := c[0], c[1]
			received := 0
			for range count {
				select {
				case v := <-c0:
					received += v
					c0 <- 1
				case v := <-c1:
					received += v
					c1 <- 1
				}
			}
			check(received == count, "select2: wrong count")
			checkFull(c)
		})
	})
}

func runSelect8() float64 {
	return nsPerOp(1000, func(count int) {
		inGoroutine(func() {
			c := fullChannels(8)
			c0, c1, c2, c3, c4, c5, c6, c7 := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
			received := 0
			for range count {
				select {
				case v := <-c0:
					received += v
					c0 <- 1
				case v := <-c1:
					received += v
					c1 <- 1
				case v := <-c2:
					received += v
					c2 <- 1
				case v := <-c3:
					received += v
					c3 <- 1
				case v := <-c4:
					received += v
					c4 <- 1
				case v := <-c5:
					received += v
					c5 <- 1
				case v := <-c6:
					received += v
					c6 <- 1
				case v := <-c7:
					received += v
					c7 <- 1
				}
			}
			check(received == count, "select8: wrong count")
			checkFull(c)
		})
	})
}

func runSelectpark() float64 {
	return nsPerOp(1000, func(count int) {
		there, back, never := make(chan int, 1), make(chan int, 1), make(chan int, 1)
		var group sync.WaitGroup
		group.Go(func() {
			for range count {
				select {
				case v := <-there:
					back <- v + 1
				case <-never:
					fail("selectpark: a value came from nowhere")
				}
			}
		})
		value := 0
		group.Go(func() {
			for range count {
				there <- value
				select {
				case value = <-back:
				case <-never:
					fail("selectpark: a value came from nowhere")
				}
			}
		})
		group.Wait()
		check(value == count, "selectpark: wrong value")
	})
}

func runStream(producers, consumers int) float64 {
	return nsPerOp(1000, func(count int) {
		channel := make(chan int, 128)
		var sum atomic.Int64
		var producing, consuming sync.WaitGroup
		for first := range producers {
			producing.Go(func() {
				for i := first; i < count; i += producers {
					channel <- i
				}
			})
		}
		for range consumers {
			consuming.Go(func() {
				mine := 0
				for item := range channel {
					mine += item
				}
				sum.Add(int64(mine))
			})
		}
		producing.Wait()
		close(channel)
		consuming.Wait()
		check(sum.Load() == int64(count*(count-1)/2), "chan128: wrong sum")
	})
}

func runPipeline3() float64 {
	return nsPerOp(1000, func(count int) {
		first, second := make(chan int, 64), make(chan int, 64)
		var group sync.WaitGroup
		group.Go(func() {
			for i := range count {
				first <- i
			}
			close(first)
		})
		group.Go(func() {
			for item := range first {
				second <- item + 1
			}
			close(second)
		})
		sum := 0
		group.Go(func() {
			for item := range second {
				sum += item
			}
		})
		group.Wait()
		check(sum == count*(count-1)/2+count, "pipeline3: wrong sum")
	})
}

func runMutex1() float64 {
	return nsPerOp(1000, func(count int) {
		inGoroutine(func() {
			var mutex sync.Mutex
			sum := 0
			for range count {
				mutex.Lock()
				sum++
				mutex.Unlock()
			}
			check(sum == count, "mutex1: wrong count")
		})
	})
}

func runMutex8(yields bool) float64 {
	nsPerRound := nsPerOp(1000, func(rounds int) {
		var mutex sync.Mutex
		var group sync.WaitGroup
		sum := 0
		for range contenders {
			group.Go(func() {
				for range rounds {
					mutex.Lock()
					sum++
					if yields {
						runtime.Gosched()
					}
					mutex.Unlock()
				}
			})
		}
		group.Wait()
		check(sum == contenders*rounds, "mutex8: wrong count")
	})
	return nsPerRound / contenders
}

func runSem4of8() float64 {
	nsPerRound := nsPerOp(1000, func(rounds int) {
		slots := make(chan struct{}, 4)
		var group sync.WaitGroup
		var sum atomic.Int64
		for range contenders {
			group.Go(func() {
				mine := 0
				for range rounds {
					slots <- struct{}{}
					mine++
					runtime.Gosched()
					<-slots
				}
				sum.Add(int64(mine))
			})
		}
		group.Wait()
		check(sum.Load() == int64(contenders*rounds), "sem4of8: wrong count")
		check(len(slots) == 0, "sem4of8: a permit is missing at the end")
	})
	return nsPerRound / contenders
}

func runTimerstop() float64 {
	return nsPerOp(1000, func(count int) {
		inGoroutine(func() {
			stopped := 0
			for range count {
				if time.AfterFunc(time.Hour, func() { fail("timerstop: a timer has fired") }).Stop() {
					stopped++
				}
			}
			check(stopped == count, "timerstop: wrong count")
		})
	})
}

func runTimerloses() float64 {
	return nsPerOp(1000, func(count int) {
		there, back := make(chan int, 1), make(chan int, 1)
		var group sync.WaitGroup
		group.Go(func() {
			for value := range there {
				back <- value + 1
			}
		})
		value := 0
		group.Go(func() {
			for range count {
				there <- value
				timer := time.NewTimer(time.Hour)
				select {
				case value = <-back:
				case <-timer.C:
					fail("timerloses: a timer has won")
				}
				timer.Stop()
			}
			close(there)
		})
		group.Wait()
		check(value == count, "timerloses: wrong value")
	})
}

// cpuNs is the time that all threads of this process have computed, in user mode and in the kernel.
func cpuNs() float64 {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil, "getrusage failed")
	return float64(used.Utime.Nano() + used.Stime.Nano())
}

const (
	shortestSleep = 1 * time.Second
	longestSleep  = 3 * time.Second
)

// sleepOf is 1 to 3 s, spread evenly by Fibonacci hashing, the same in every runtime.
func sleepOf(i uint64) time.Duration {
	hash := i * 2_654_435_761 & 0xffff_ffff
	return shortestSleep + time.Duration(hash*uint64(longestSleep-shortestSleep)>>32)
}

func runSleep1m() float64 {
	before := cpuNs()
	lasted := elapsedNs(func() {
		var group sync.WaitGroup
		group.Add(million)
		for i := range uint64(million) {
			go func() {
				time.Sleep(sleepOf(i))
				group.Done()
			}()
		}
		group.Wait()
	})
	check(lasted >= 0.999*float64(longestSleep), "sleep1m: over too soon")
	return (cpuNs() - before) / million
}
