package tasks

import (
	"net/url"
	"strings"
	"testing"
)

func TestOpenRefusesWrongAddresses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "hunter2", "http://u:hunter2@h", "redis://u:hunter2/@h/0", "redis-cluster://u:hunter2@h1,"} {
		c, err := Open(in)
		if err == nil {
			t.Errorf("%s: opened", in)
			_ = c.Close()
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %q", in, err)
		}
	}
}

func TestClientLogsInAsUser(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	plain := database(t)
	admin := connect(t, plain)
	if err := admin.Do(ctx, "ACL", "SETUSER", "halo", "on", ">s/e?c#r@t", "allkeys", "allchannels", "allcommands").Err(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("halo", "s/e?c#r@t")
	who, err := connect(t, u.String()).Do(ctx, "ACL", "WHOAMI").Text()
	if err != nil || who != "halo" {
		t.Fatalf("logged in as %q, %v", who, err)
	}

	u.User = url.UserPassword("halo", "wr0ng")
	err = openClient(t, u.String()).Ping(ctx)
	if err == nil || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("wrong password: %v", err)
	}
}
