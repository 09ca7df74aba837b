package halotest

import (
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// FaultKind is a way in which an answer goes wrong.
type FaultKind int

// Kinds of faults.
const (
	Status    FaultKind = iota + 1 // Code with Body instead of the answer
	HTML200                        // a maintenance page with status 200
	WrongJSON                      // valid JSON of another shape
	Truncate                       // half of the body, then the connection breaks
	Slow                           // the body in pieces, Delay between them
	Hang                           // no answer until the client gives up, at most Delay
	Reset                          // the connection is reset before an answer
	EmptyList                      // the list as an agent without rights sees it
	Expire                         // the request's token has just expired
)

// String names the kind, for the log.
func (k FaultKind) String() string {
	return [...]string{"none", "status", "html", "wrong-json", "truncate", "slow", "hang", "reset", "empty", "expire"}[k]
}

// Fault breaks answers. Which ones: those of Route (empty: any), of list page
// Page (0: any), from the Nth match on (from 1; 0 means 1), Times of them (0
// means 1).
type Fault struct {
	Kind   FaultKind
	Code   int           // Status
	Body   string        // Status
	Header http.Header   // Status
	Delay  time.Duration // Slow, Hang

	Route string
	Page  int
	Nth   int
	Times int

	seen, done int
}

// instead says that no answer is computed at all.
func (f *Fault) instead() bool {
	switch f.Kind {
	case Status, HTML200, WrongJSON, Hang, Reset:
		return true
	}
	return false
}

// Chance breaks answers at random, repeatably for requests that come one
// after the other: with probability P, a kind out of Kinds, never more than
// InARow at once (0: no bound).
type Chance struct {
	Seed   uint64
	P      float64
	Kinds  []Fault
	InARow int
}

// faults is the script and the dice.
type faults struct {
	script []*Fault
	chance Chance
	dice   *rand.Rand
	row    int
}

// Fault adds to the script.
func (h *Halo) Fault(fs ...Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range fs {
		h.faults.script = append(h.faults.script, &f)
	}
}

// Chance sets the faults that come at random; the zero value ends them.
func (h *Halo) Chance(c Chance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults.chance, h.faults.row = c, 0
	h.faults.dice = rand.New(rand.NewPCG(c.Seed, 1))
}

// next picks the fault of a request, or none.
func (fs *faults) next(route string, page int) *Fault {
	for _, f := range fs.script {
		if f.Route != "" && f.Route != route || f.Page != 0 && f.Page != page {
			continue
		}
		f.seen++
		if f.seen >= max(1, f.Nth) && f.done < max(1, f.Times) {
			f.done++
			return f
		}
	}
	c := fs.chance
	if len(c.Kinds) == 0 || route == RouteOther {
		return nil
	}
	// The dice are thrown at each request, whatever comes of it.
	hit, which := fs.dice.Float64() < c.P, fs.dice.IntN(len(c.Kinds))
	if !hit || c.InARow > 0 && fs.row >= c.InARow {
		fs.row = 0
		return nil
	}
	fs.row++
	f := c.Kinds[which]
	return &f
}

// expire ends the token that a request came with.
func (h *Halo) expire(r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	delete(h.tokens, text)
}

// pause waits, and says whether the client is still there.
func (h *Halo) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-h.done:
	}
	return false
}

// breakOff answers with a fault instead of an answer.
func (h *Halo) breakOff(w http.ResponseWriter, r *http.Request, f *Fault) int {
	switch f.Kind {
	case Status:
		for name, values := range f.Header {
			w.Header()[name] = values
		}
		return write(w, f.Code, "", []byte(f.Body))
	case HTML200:
		return write(w, http.StatusOK, "text/html; charset=utf-8",
			[]byte("<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body>Back soon</body></html>"))
	case WrongJSON:
		return write(w, http.StatusOK, "application/json", []byte(`{"load_error":"report failed"}`))
	case Hang:
		h.pause(r, max(f.Delay, time.Second))
		return 0
	default: // Reset
		abort(w)
		return 0
	}
}

// send writes an answer, with the faults that need one.
func (h *Halo) send(w http.ResponseWriter, r *http.Request, a answer, f *Fault) int {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	switch {
	case f != nil && f.Kind == Truncate && len(a.body) > 1:
		if a.kind != "" {
			w.Header().Set("Content-Type", a.kind)
		}
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body[:len(a.body)/2]) // the client may be gone
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // net/http breaks the connection
	case f != nil && f.Kind == Slow:
		return h.drip(w, r, a, f.Delay)
	default:
		return write(w, a.status, a.kind, a.body)
	}
}

// drip sends a body in pieces.
func (h *Halo) drip(w http.ResponseWriter, r *http.Request, a answer, delay time.Duration) int {
	if a.kind != "" {
		w.Header().Set("Content-Type", a.kind)
	}
	w.WriteHeader(a.status)
	sent, flush := 0, http.NewResponseController(w)
	piece := max(1, len(a.body)/8)
	for rest := a.body; len(rest) > 0 && h.pause(r, delay); {
		n, err := w.Write(rest[:min(piece, len(rest))])
		if err != nil {
			break
		}
		sent, rest = sent+n, rest[n:]
		_ = flush.Flush()
	}
	return sent
}

func write(w http.ResponseWriter, status int, kind string, body []byte) int {
	if kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(status)
	n, _ := w.Write(body) // the client may be gone
	return n
}

// abort resets the connection: the client sees RST, not an orderly end.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
