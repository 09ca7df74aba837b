package devstack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// askTimeout bounds the duration of one command to a server on this machine.
const askTimeout = 5 * time.Second

// ask sends one command on a new connection and returns the reply. The values of an
// array are on separate lines. It saves this package the dependency on a Redis client.
func ask(ctx context.Context, addr string, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline() // ctx always has a deadline
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	var command strings.Builder
	fmt.Fprintf(&command, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&command, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(conn, command.String()); err != nil {
		return "", err
	}
	values, err := readReply(bufio.NewReader(conn))
	return strings.Join(values, "\n"), err
}

// readReply reads one reply in version 2 of Redis' protocol.
func readReply(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSpace(line)
	if line == "" {
		return nil, errors.New("an empty reply")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return []string{rest}, nil
	case '-':
		return nil, errors.New(rest)
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return nil, fmt.Errorf("reply %q: %w", line, err)
	}
	if kind == '*' {
		var values []string
		for range n {
			part, err := readReply(r)
			if err != nil {
				return nil, err
			}
			values = append(values, part...)
		}
		return values, nil
	}
	if n < 0 { // a nil reply
		return []string{""}, nil
	}
	text := make([]byte, n+2)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	return []string{string(text[:n])}, nil
}
