// Workloads of files: the same as in ../file_work.h, which says where the files lie. The large file is read in
// pieces of 256 KiB, small files by os.ReadFile in 32 goroutines for each processor.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	smallFiles      = 10_000
	sequentialPiece = 256 * 1024
)

func fileRoot() string {
	if named := os.Getenv("WEFT_BENCH_FILES"); named != "" {
		return named
	}
	return "/tmp/weft_bench_files"
}

func sequentialBytes() int64 {
	if mib, err := strconv.ParseInt(os.Getenv("WEFT_BENCH_FILE_MIB"), 10, 64); err == nil {
		return mib << 20
	}
	return 1024 << 20
}

func smallBytes(i int) int64 { return 512 + int64(i)*2_654_435_761%8_192 }

func makeFile(path string, length int64) {
	if info, err := os.Stat(path); err == nil && info.Size() == length {
		return
	}
	out, err := os.Create(path)
	check(err == nil, "files: a file could not be made")
	piece := bytes.Repeat([]byte{'x'}, 1<<20)
	for length > 0 {
		n, err := out.Write(piece[:min(length, int64(len(piece)))])
		check(err == nil, "files: a file could not be written")
		length -= int64(n)
	}
	check(out.Close() == nil, "files: a file could not be written")
}

// forget takes a file out of the page cache.
func forget(path string) {
	file, err := os.Open(path)
	check(err == nil, "files: a file could not be opened")
	defer file.Close()
	syscall.Fdatasync(int(file.Fd()))
	const dontNeed = 4
	syscall.Syscall6(syscall.SYS_FADVISE64, file.Fd(), 0, 0, dontNeed, 0, 0)
}

func readSequential(path string) int64 {
	file, err := os.Open(path)
	check(err == nil, "files: a file could not be opened")
	defer file.Close()
	buffer := make([]byte, sequentialPiece)
	all := int64(0)
	for {
		n, err := file.Read(buffer)
		all += int64(n)
		if err == io.EOF {
			return all
		}
		check(err == nil, "files: a read failed")
	}
}

func runFileSequential(cold bool) float64 {
	path := filepath.Join(fileRoot(), "sequential")
	check(os.MkdirAll(fileRoot(), 0o777) == nil, "files: no directory")
	makeFile(path, sequentialBytes())
	if cold {
		forget(path)
	} else {
		readSequential(path)
	}
	ns := elapsedNs(func() { check(readSequential(path) == sequentialBytes(), "fileseq: wrong length") })
	return ns / 1e6
}

func readSmall(paths []string) int64 {
	var all, next atomic.Int64
	var group sync.WaitGroup
	for range 32 * runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(len(paths)) {
					return
				}
				content, err := os.ReadFile(paths[i])
				check(err == nil, "files: a read failed")
				all.Add(int64(len(content)))
			}
		})
	}
	group.Wait()
	return all.Load()
}

func runSmallFiles(cold bool) float64 {
	var paths []string
	wanted := int64(0)
	for i := range smallFiles {
		path := fmt.Sprintf("%s/small/%02d/%02d", fileRoot(), i/100, i%100)
		check(os.MkdirAll(filepath.Dir(path), 0o777) == nil, "files: no directory")
		makeFile(path, smallBytes(i))
		paths = append(paths, path)
		wanted += smallBytes(i)
	}
	pass := func() { check(readSmall(paths) == wanted, "files10k: wrong length") }
	if cold {
		for _, path := range paths {
			forget(path)
		}
		return elapsedNs(pass) / smallFiles
	}
	pass()
	var runs []float64
	for range 3 {
		runs = append(runs, elapsedNs(pass))
	}
	slices.Sort(runs)
	return runs[1] / smallFiles
}
