package halo

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// names is a name server that runs inside the test. For each name, it has a list of
// answers, one for each lookup, and repeats the last answer. Nothing leaves the process.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string // IP addresses
	asked   map[string]int        // counts lookups by type and name
}

// leads returns a name server with one answer for each name: "10.0.0.1 ::1".
func leads(answers map[string]string) *names {
	n := &names{answers: map[string][][]string{}, asked: map[string]int{}}
	for name, ips := range answers {
		n.answers[name] = [][]string{strings.Fields(ips)}
	}
	return n
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go n.serve(server)
		return client, nil
	}}
}

// serve answers queries in the format of DNS over TCP, in which a length
// precedes each message.
func (n *names) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := n.answer(query)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// answer returns the reply to a query with a single question, the only kind that Go sends.
func (n *names) answer(query []byte) []byte {
	var labels []string
	end := 12
	for query[end] != 0 {
		size := int(query[end])
		labels = append(labels, string(query[end+1:end+1+size]))
		end += 1 + size
	}
	end += 5
	kind := binary.BigEndian.Uint16(query[end-4:])
	found, ips := n.next(strings.ToLower(strings.Join(labels, ".")), kind)

	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	if !found {
		reply[3] |= 3 // the name does not exist
	}
	for _, ip := range ips {
		reply[7]++
		reply = append(reply, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(ip)))
		reply = append(reply, ip...)
	}
	return reply
}

// next returns the addresses of one type (1: IPv4, 28: IPv6) for a lookup.
func (n *names) next(name string, kind uint16) (found bool, ips [][]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	steps := n.answers[name]
	if len(steps) == 0 {
		return false, nil
	}
	key := string(rune(kind)) + name
	step := steps[min(n.asked[key], len(steps)-1)]
	n.asked[key]++
	for _, text := range step {
		ip := netip.MustParseAddr(text)
		if ip.Is4() == (kind == 1) {
			ips = append(ips, ip.AsSlice())
		}
	}
	return true, ips
}

// dials records the addresses that would be dialled. It refuses everything but
// loopback, even with the guard removed.
type dials struct {
	mu   sync.Mutex
	list []string
	all  bool // also refuse loopback
}

type notDialledError struct{}

func (notDialledError) Error() string { return "not dialled: this is a test" }

func (d *dials) last(_, address string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, address)
	if to, err := netip.ParseAddrPort(address); d.all || err != nil || !to.Addr().IsLoopback() {
		return notDialledError{}
	}
	return nil
}

func (d *dials) made() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.list...)
}

// listener counts connections and the bytes that arrive on them.
type listener struct {
	net.Listener
	mu           sync.Mutex
	conns, bytes int
}

func listen(t testing.TB) *listener {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Listener: inner}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := inner.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			l.conns++
			l.mu.Unlock()
			open.Go(func() {
				defer conn.Close()
				buf := make([]byte, 4096)
				for {
					n, err := conn.Read(buf)
					l.mu.Lock()
					l.bytes += n
					l.mu.Unlock()
					if n > 0 || err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		inner.Close()
		open.Wait()
	})
	return l
}

func (l *listener) port() string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (l *listener) untouched(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns != 0 || l.bytes != 0 {
		t.Errorf("%d connections, %d bytes", l.conns, l.bytes)
	}
}
