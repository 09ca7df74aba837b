package halotest

import "maps"

// Log is what a Halo was asked so far.
type Log struct {
	Total    int            // requests of any kind
	Tokens   int            // token calls
	Lists    int            // list requests
	Details  int            // requests of one client
	Issued   int            // tokens issued
	Statuses map[int]int    // answers by status; 0: broken on purpose
	Pages    map[int]int    // list requests by page_no
	Tenants  map[string]int // API requests by tenant
	Faults   map[string]int // faults by kind
	Bytes    int64          // sent in bodies
	// MaxInWindow is the greatest number of admitted requests of one tenant in
	// any window of Profile.RateWindow.
	MaxInWindow int
	// MaxConcurrent is the greatest number of requests answered at once.
	MaxConcurrent int
}

func (l *Log) init() {
	l.Statuses, l.Pages = map[int]int{}, map[int]int{}
	l.Tenants, l.Faults = map[string]int{}, map[string]int{}
}

// Log returns a copy of the log.
func (h *Halo) Log() Log {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.log
	l.Issued = h.issued
	l.Statuses, l.Pages = maps.Clone(l.Statuses), maps.Clone(l.Pages)
	l.Tenants, l.Faults = maps.Clone(l.Tenants), maps.Clone(l.Faults)
	return l
}
