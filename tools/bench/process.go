package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage returns the CPU time that this process has used.
func usage() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ticks is the number of units of CPU time per second in the kernel (USER_HZ).
// It is 100 on every Linux that Go supports.
const ticks = 100

// statFields returns the fields that follow the name in a process's stat file.
func statFields(pid int) ([][]byte, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	return bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]), nil // the name may contain spaces
}

// cpuOf returns the CPU time that a process has used, in user and system mode.
func cpuOf(pid int) (time.Duration, error) { return cpuFields(pid, 11, 12) }

// cpuFields returns the sum of some fields of [statFields]. Fields 11 and 12 are the
// process's user and system time; 13 and 14 are those of its children that have ended.
func cpuFields(pid int, wanted ...int) (time.Duration, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, i := range wanted {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// peakOf returns the peak resident memory of a process, in bytes.
func peakOf(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kb, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM of process %d", pid)
}

// treeCPU returns the CPU time that a process and its children have used, including
// children that have ended. Postgres has a process for each session.
func treeCPU(pid int) (time.Duration, error) {
	sum, err := cpuFields(pid, 11, 12, 13, 14)
	if err != nil {
		return 0, err
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, path := range processes {
		child, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return 0, err
		}
		fields, err := statFields(child)
		if err != nil || string(fields[1]) != strconv.Itoa(pid) {
			continue // ended in the meantime, or not a child
		}
		if used, err := cpuFields(child, 11, 12); err == nil {
			sum += used
		}
	}
	return sum, nil
}

// postgresPID returns the process id of the parent of all Postgres processes.
func (b *bench) postgresPID() (int, error) {
	file, err := os.ReadFile(filepath.Join(b.postgres.Dir(), "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(file), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("postmaster.pid: %w", err)
	}
	return pid, nil
}

// postgresCPU runs f and returns the CPU time that Postgres used during the
// call.
func (b *bench) postgresCPU(f func() error) (time.Duration, error) {
	pid, err := b.postgresPID()
	if err != nil {
		return 0, err
	}
	before, err := treeCPU(pid)
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := settledCPU(pid)
	return after - before, err
}

// settledCPU returns the result of treeCPU once it no longer changes. The CPU time of a
// session that has ended is missing until Postgres has reaped its process.
func settledCPU(pid int) (used time.Duration, err error) {
	last, same := time.Duration(-1), 0
	for tries := 0; tries < 100 && same < 5; tries++ {
		time.Sleep(20 * time.Millisecond)
		if used, err = treeCPU(pid); err != nil {
			return 0, err
		}
		if same++; used != last {
			last, same = used, 0
		}
	}
	return used, nil
}
