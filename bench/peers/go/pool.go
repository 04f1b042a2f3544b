// Workloads of pools: sync.Pool.
//
//	poolhot       a goroutine for each processor gets an object, adds one and puts it back; ns per pair of a goroutine
//	poolhundred   a goroutine for each processor gets 100 objects and puts 100 back; ns per object of a goroutine
//	poolstarve    one goroutine only gets, another only puts, and the objects go from the first to the second in
//	              batches of 256; ns per object
package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

type pooled struct {
	uses uint64
}

func newPool() *sync.Pool {
	return &sync.Pool{New: func() any { return new(pooled) }}
}

// onEachProcessor runs work(pool, count) in a goroutine for each processor, and checks what they return.
func onEachProcessor(work func(p *sync.Pool, count int) int) float64 {
	processors := runtime.GOMAXPROCS(0)
	return nsPerOp(1000, func(count int) {
		count = (count + 99) / 100 * 100
		p := newPool()
		var group sync.WaitGroup
		var sum atomic.Int64
		for range processors {
			group.Go(func() { sum.Add(int64(work(p, count))) })
		}
		group.Wait()
		check(sum.Load() == int64(count*processors), "pool: wrong count")
	})
}

func runPoolhot() float64 {
	return onEachProcessor(func(p *sync.Pool, count int) int {
		sum := 0
		for range count {
			one := p.Get().(*pooled)
			one.uses++
			p.Put(one)
			sum++
		}
		return sum
	})
}

func runPoolhundred() float64 {
	return onEachProcessor(func(p *sync.Pool, count int) int {
		var held [100]*pooled
		sum := 0
		for ; sum < count; sum += len(held) {
			for i := range held {
				held[i] = p.Get().(*pooled)
				held[i].uses++
			}
			for _, one := range held {
				p.Put(one)
			}
		}
		return sum
	})
}

const poolBatch = 256

type crate struct {
	full atomic.Bool
	held [poolBatch]*pooled
	_    [64]byte
}

func runPoolstarve() float64 {
	return nsPerOp(100_000, func(count int) {
		batches := count/poolBatch + 1
		p := newPool()
		var crates [4]crate
		put := 0
		var group sync.WaitGroup
		group.Go(func() {
			for i := range batches {
				c := &crates[i%len(crates)]
				for c.full.Load() {
					runtime.Gosched()
				}
				for k := range c.held {
					c.held[k] = p.Get().(*pooled)
				}
				c.full.Store(true)
			}
		})
		group.Go(func() {
			for i := range batches {
				c := &crates[i%len(crates)]
				for !c.full.Load() {
					runtime.Gosched()
				}
				for _, one := range c.held {
					one.uses++
					p.Put(one)
					put++
				}
				c.full.Store(false)
			}
		})
		group.Wait()
		check(put == batches*poolBatch, "poolstarve: wrong count")
	})
}
