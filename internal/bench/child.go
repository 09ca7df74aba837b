package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Floors and rivals run as processes of their own, like the worker, so that
// their CPU time and memory can be told from this one's. They measure
// themselves, after a warm-up of connections and without start and end of the
// process.

// plain is what a child works with.
type plain struct {
	HTTP      *http.Client `json:"-"`
	Resource  string
	Token     string
	Database  string
	Redis     string
	Conn      string // id of the connection
	Pages     int
	AtOnce    int // requests
	keptAlive *http.Transport
}

// runChild starts this program as one of its children, and returns what it
// measured.
func runChild(ctx context.Context, what string, p plain) (s sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	in, err := json.Marshal(p)
	if err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, self, "child", what) //nolint:gosec // this program
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(out, &s)
}

// child is the other end of runChild.
func child(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	var p plain
	if err := json.NewDecoder(in).Decode(&p); err != nil {
		return err
	}
	kinds := map[string]func(context.Context, *plain) (func() error, error){
		"fetch": fetchFloor, "decode": decodeFloor, "rows": rowsRival, "tasks": tasksRival, "whole": wholeRival, "idle": idleRival,
	}
	if len(args) != 1 || kinds[args[0]] == nil {
		return fmt.Errorf("child %v: unknown", args)
	}
	p.keptAlive = &http.Transport{MaxIdleConnsPerHost: 32}
	p.HTTP = &http.Client{Transport: p.keptAlive, Timeout: time.Minute}
	work, err := kinds[args[0]](ctx, &p)
	if err != nil {
		return err
	}
	before, began := usage(), time.Now()
	if err := work(); err != nil {
		return err
	}
	s := sample{Wall: time.Since(began), CPU: usage() - before}
	if s.Peak, err = peakOf(os.Getpid()); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(s)
}

// usage is the CPU time of this process so far.
func usage() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// token fetches a token as a script would.
func token(ctx context.Context, authServer string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {appSecret}, "scope": {"read:customers"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, authServer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", err
	}
	if answer.Token == "" {
		return "", errors.New("no token")
	}
	return answer.Token, nil
}

// page fetches one page and hands its body to f.
func (p *plain) page(ctx context.Context, n int, f func(io.Reader) error) error {
	q := url.Values{"pageinate": {"true"}, "page_size": {"100"}, "page_no": {strconv.Itoa(n)}, "order": {"id"}, "includeinactive": {"true"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Resource+"/Client?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	resp, err := p.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("page %d: %s", n, resp.Status)
	}
	return f(resp.Body)
}

// all fetches every page, so many at once.
func (p *plain) all(ctx context.Context, f func(io.Reader) error) error {
	var next atomic.Int64
	var failed error
	var once sync.Once
	var wg sync.WaitGroup
	for range p.AtOnce {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n > p.Pages {
					return
				}
				if err := p.page(ctx, n, f); err != nil {
					once.Do(func() { failed = err })
					return
				}
			}
		})
	}
	wg.Wait()
	return failed
}

// fetchFloor reads every page and throws it away.
func fetchFloor(ctx context.Context, p *plain) (func() error, error) {
	return func() error {
		return p.all(ctx, func(body io.Reader) error {
			_, err := io.Copy(io.Discard, body)
			return err
		})
	}, nil
}

// listed is a page as a plain program decodes it.
type listed struct {
	Clients []struct {
		ID           int64  `json:"id"`
		Name         string `json:"name"`
		Inactive     bool   `json:"inactive"`
		TopLevelID   int64  `json:"toplevel_id"`
		TopLevelName string `json:"toplevel_name"`
	} `json:"clients"`
}

// decode is the standard library's way.
func decode(body io.Reader) (listed, error) {
	var l listed
	all, err := io.ReadAll(body)
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal(all, &l)
}

// decodeFloor reads and decodes every page.
func decodeFloor(ctx context.Context, p *plain) (func() error, error) {
	return func() error {
		return p.all(ctx, func(body io.Reader) error {
			_, err := decode(body)
			return err
		})
	}, nil
}
