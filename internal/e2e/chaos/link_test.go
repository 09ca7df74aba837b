package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link connects the workers to one server. It can be cut, slowed down or
// silenced, like a failing network.
type link struct {
	name string
	addr string     // address that the workers connect to; constant
	mu   sync.Mutex // locked during a fault, so that only one fault happens at a time
	via  *toxiproxy.Proxy
}

func newLink(name, upstream string) (*link, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &link{name: name, via: toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	if err := l.via.Start(); err != nil {
		return nil, err
	}
	l.addr = l.via.Listen
	return l, nil
}

// cut breaks all connections and refuses new ones until mend is called.
func (l *link) cut() { l.via.Stop() }

// toxic applies one of toxiproxy's toxics to the server's answers.
func (l *link) toxic(kind, attributes string) error {
	_, err := l.via.Toxics.AddToxicJson(strings.NewReader(
		fmt.Sprintf(`{"type": %q, "stream": "downstream", "attributes": {%s}}`, kind, attributes)))
	return err
}

// mend repairs the link.
func (l *link) mend() error {
	l.via.Toxics.ResetToxics(context.Background())
	if err := l.via.Start(); !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return err
	}
	return nil
}

// socketRelay listens on TCP for a server that has only a Unix socket, such as
// a private Postgres. toxiproxy does not support Unix sockets.
type socketRelay struct {
	listener net.Listener
	path     string
	wg       sync.WaitGroup
}

func newSocketRelay(path string) (*socketRelay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &socketRelay{listener: listener, path: path}
	r.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the listener is closed
			}
			r.wg.Go(func() { r.relay(conn) })
		}
	})
	return r, nil
}

func (r *socketRelay) addr() string { return r.listener.Addr().String() }

// relay copies data in both directions until either side ends.
func (r *socketRelay) relay(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", r.path)
	if err != nil {
		return // the server is down, so the connection ends
	}
	defer server.Close()
	over := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // each side handles its own errors
			over <- struct{}{}
		}()
	}
	<-over
	client.Close()
	server.Close()
	<-over
}

func (r *socketRelay) close() { r.listener.Close() }
