package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// treeCPU is the CPU time that a process and its children have used so far,
// those that have ended included. Postgres is a process for each session.
func treeCPU(pid int) (time.Duration, error) {
	sum, err := cpuFields(pid, 11, 12, 13, 14) // its own, and of ended children
	if err != nil {
		return 0, err
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path) //nolint:gosec // the kernel's own
		if err != nil {
			continue // it has ended meanwhile
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if string(fields[1]) != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return 0, err
		}
		if used, err := cpuFields(child, 11, 12); err == nil {
			sum += used
		}
	}
	return sum, nil
}

// postgresPID is the process that all of Postgres' are children of.
func (s *stage) postgresPID() (int, error) {
	file, err := os.ReadFile(filepath.Join(s.postgres.Dir(), "data", "postmaster.pid"))
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

// postgresCPU runs f and returns what CPU time Postgres used meanwhile.
func (s *stage) postgresCPU(f func() error) (time.Duration, error) {
	pid, err := s.postgresPID()
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

// settledCPU is treeCPU once nothing goes on any more: the time of a session
// that has just ended is nobody's until its end has been noticed.
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
