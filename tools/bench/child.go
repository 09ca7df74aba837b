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
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Floors and rivals run as child processes, so that their CPU time and memory
// are measured like those of the worker. A child measures itself. It excludes its own start
// and end, and it opens its connections before the measurement.

// job is the input of a child process.
type job struct {
	HTTP       *http.Client `json:"-"`
	Resource   string       // Halo's resource server
	Token      string
	Database   string // URL of the database
	Redis      string // URL of Redis
	Connection string // id of the connection
	Pages      int
	Requests   int // number of concurrent requests
}

// runChild starts this program as a child process and returns its measurement.
func runChild(ctx context.Context, kind string, j job) (s sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	in, err := json.Marshal(j)
	if err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, self, "child", kind) //nolint:gosec // this program
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(out, &s)
}

// child is the main function of a child process.
func child(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return err
	}
	kinds := map[string]func(context.Context, *job) (func() error, error){
		"decode": decodeFloor, "rows": rowsRival, "tasks": tasksRival, "idle": idleRival,
	}
	if len(args) != 1 || kinds[args[0]] == nil {
		return fmt.Errorf("child %v: unknown", args)
	}
	j.HTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: time.Minute}
	work, err := kinds[args[0]](ctx, &j)
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

// token fetches an access token.
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

// listing is a page as a plain program decodes it.
type listing struct {
	Clients []struct {
		ID           int64  `json:"id"`
		Name         string `json:"name"`
		Inactive     bool   `json:"inactive"`
		TopLevelID   int64  `json:"toplevel_id"`
		TopLevelName string `json:"toplevel_name"`
	} `json:"clients"`
}

// page fetches page n, counted from 1, and decodes it with the standard library.
func (j *job) page(ctx context.Context, n int) (l listing, err error) {
	q := url.Values{"pageinate": {"true"}, "page_size": {strconv.Itoa(pageRows)}, "page_no": {strconv.Itoa(n)}, "order": {"id"}, "includeinactive": {"true"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.Resource+"/Client?"+q.Encode(), nil)
	if err != nil {
		return l, err
	}
	req.Header.Set("Authorization", "Bearer "+j.Token)
	resp, err := j.HTTP.Do(req)
	if err != nil {
		return l, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return l, fmt.Errorf("page %d: %s", n, resp.Status)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal(body, &l)
}

// decodeFloor fetches and decodes every page.
func decodeFloor(ctx context.Context, j *job) (func() error, error) {
	return func() error {
		return each(ctx, j.Pages, j.Requests, func(ctx context.Context, i int) error {
			_, err := j.page(ctx, i+1)
			return err
		})
	}, nil
}

// each calls f with 0 to n-1, from the given number of goroutines, and stops at
// the first error.
func each(ctx context.Context, n, goroutines int, f func(ctx context.Context, i int) error) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range goroutines {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := f(ctx, i); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}
