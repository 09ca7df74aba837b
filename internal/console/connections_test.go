package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/repo"
	"github.com/halosync/halosync/repo/repotest"
)

// credentials returns the fields of the form, with the given fields changed.
func (s *stage) credentials(changed ...string) []string {
	fields := map[string]string{
		"name": "Acme Halo", "domain": s.halo.ResourceServer(), "auth_server": s.halo.AuthServer(),
		"client_id": stageApp, "client_secret": stageSecret,
	}
	for i := 0; i+1 < len(changed); i += 2 {
		fields[changed[i]] = changed[i+1]
	}
	var flat []string
	for name, value := range fields {
		flat = append(flat, name, value)
	}
	return flat
}

func TestConnectHalo(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	s.get("/connections").wants(http.StatusOK, "No Halo PSA is connected yet", "Connect Halo PSA")
	a := s.follow(s.post("/connections", s.credentials()...))
	a.wants(http.StatusOK, "Acme Halo", "active")
	if message := a.role("status"); !strings.Contains(message, "is ready") || a.link("Import companies") == "" {
		t.Errorf("message %q", message)
	}
	if s.get("/connections").lacks(stageSecret).role("status") != "" {
		t.Error("the message is shown twice")
	}
	rows := s.get("/connections").rows()
	if len(rows) != 1 || rows[0][0] != "Acme Halo" || rows[0][1] != "active" {
		t.Errorf("rows %q", rows)
	}
}

// A form that cannot be saved shows the reason and keeps all values except the secret.
func TestConnectHaloFails(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	s.connect("taken")
	for what, tt := range map[string]struct {
		fields []string
		code   int
		alert  string
		wrong  string // name of the marked field
	}{
		"wrong secret": {[]string{"client_secret", "wr0ng-secret"}, http.StatusUnprocessableEntity, "does not accept the credentials", ""},
		"no secret":    {[]string{"client_secret", " "}, http.StatusUnprocessableEntity, "the client secret is missing", "client_secret"},
		"no address":   {[]string{"domain", ""}, http.StatusUnprocessableEntity, "domain", "domain"},
		"not allowed":  {[]string{"domain", "10.0.0.1"}, http.StatusUnprocessableEntity, "domain", "domain"},
		"not Halo":     {[]string{"auth_server", s.halo.URL() + "/nothing/token"}, http.StatusUnprocessableEntity, "issues no token", ""},
		"bad header":   {[]string{"header_name", "Host", "header_value", "wr0ng-secret"}, http.StatusUnprocessableEntity, "header's name is Host", "header_name"},
		"no value":     {[]string{"header_name", "X-Key"}, http.StatusUnprocessableEntity, "header's value is missing", "header_value"},
		"taken":        {[]string{"name", "taken"}, http.StatusConflict, "already exists", "name"},
		"bad limit":    {[]string{"rate_limit", "fast"}, http.StatusUnprocessableEntity, "rate limit", "rate_limit"},
	} {
		a := s.post("/connections", s.credentials(tt.fields...)...)
		a.wants(tt.code).lacks("wr0ng-secret", stageSecret, "enqueue connection")
		if alert := a.role("alert"); !strings.Contains(alert, tt.alert) {
			t.Errorf("%s: alert %q", what, alert)
		}
		if typed, _ := attrOf(a.find("input", "name", "client_id")[0], "value"); typed != stageApp {
			t.Errorf("%s: the client id is %q", what, typed)
		}
		if _, kept := attrOf(a.find("input", "name", "client_secret")[0], "value"); kept {
			t.Errorf("%s: the page contains the secret", what)
		}
		marked := a.find("input", "aria-invalid", "true")
		if tt.wrong != "" && (len(marked) == 0 || !named(marked[0].Attr, tt.wrong)) {
			t.Errorf("%s: %d fields are marked", what, len(marked))
		}
	}
	s.halo.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Status(503, ""))
	a := s.post("/connections", s.credentials("name", "down")...)
	if a.wants(http.StatusBadGateway); !strings.Contains(a.role("alert"), "has a problem") {
		t.Errorf("alert %q", a.role("alert"))
	}
	if n := repotest.Value[int](t, s.url, `select count(*) from halosync.connections`); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestChangeConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	conn := s.connect("main")
	s.importAll(conn)
	path := "/connections/" + conn.ID.String()
	seen := func() string {
		value, _ := attrOf(s.get(path).find("input", "name", "seen")[0], "value")
		return value
	}
	old := seen()
	s.follow(s.post(path+"/update", s.credentials("seen", old, "client_secret", "", "name", "renamed")...)).wants(http.StatusOK, "renamed", "Saved")
	// An older version of the page cannot overwrite the change.
	a := s.post(path+"/update", s.credentials("seen", old, "client_secret", "", "name", "other")...)
	a.wants(http.StatusPreconditionFailed)
	if !strings.Contains(a.role("alert"), "Someone else changed this") {
		t.Errorf("alert %q", a.role("alert"))
	}
	if typed, _ := attrOf(a.find("input", "id", "name")[0], "value"); typed != "other" {
		t.Errorf("the form lost the name: %q", typed)
	}
	s.post(path+"/update", s.credentials("seen", seen(), "client_secret", "wr0ng")...).wants(http.StatusUnprocessableEntity).lacks("wr0ng")
	s.post(path+"/update", s.credentials("client_secret", "")...).wants(http.StatusUnprocessableEntity)

	// Saving the new client secret makes the connection active again.
	s.tenant.App(stageApp, "second-s3cret")
	repotest.Exec(t, s.url, `update halosync.connections set state = 'needs_reconnect', state_reason = 'refused'`)
	if alert := s.get(path).role("alert"); !strings.Contains(alert, "no longer accepts these credentials") {
		t.Errorf("alert %q", alert)
	}
	a = s.follow(s.post(path+"/update", s.credentials("seen", seen(), "client_secret", "second-s3cret", "name", "renamed")...))
	a.wants(http.StatusOK, "active").lacks("second-s3cret")
	if !strings.HasPrefix(a.link("Show the run"), "/runs/") || len(s.mappings(repo.MappingFilter{})) == 0 {
		t.Errorf("no link to the resync: %q", a.role("status"))
	}
}

func TestConnectionActions(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	conn := s.connect("main")
	s.importAll(conn)
	path := "/connections/" + conn.ID.String()
	s.follow(s.post(path+"/test")).wants(http.StatusOK, "Halo PSA accepts the credentials")
	s.halo.Fault(halotest.Rule{Times: halotest.Forever}, halotest.Status(503, "out of order"))
	a := s.post(path + "/test")
	if a.wants(http.StatusBadGateway); !strings.Contains(a.role("alert"), "Halo PSA has a problem") {
		t.Errorf("alert %q", a.role("alert"))
	}
	s.follow(s.post(path+"/pause")).wants(http.StatusOK, "paused", "Resume")
	a = s.post(path + "/resync")
	if a.wants(http.StatusConflict); !strings.Contains(a.role("alert"), "paused") {
		t.Errorf("alert %q", a.role("alert"))
	}
	s.follow(s.post(path+"/resume")).wants(http.StatusOK, "active", "Pause")
	s.follow(s.post(path+"/resync")).wants(http.StatusOK, "Resync", "is waiting for a worker")
	s.follow(s.post(path+"/schedule", "cron", "CRON_TZ=Europe/Berlin 0 3 * * *")).wants(http.StatusOK, "Schedule saved")
	a = s.post(path+"/schedule", "cron", "0 0 31 2 *")
	if a.wants(http.StatusUnprocessableEntity); !strings.Contains(a.role("alert"), "never comes") {
		t.Errorf("alert %q", a.role("alert"))
	}
	if typed, _ := attrOf(a.find("input", "id", "cron")[0], "value"); typed != "0 0 31 2 *" {
		t.Errorf("the form shows the schedule %q", typed)
	}
	if got := repotest.Value[string](t, s.url, `select resync_cron from halosync.connections`); got != "CRON_TZ=Europe/Berlin 0 3 * * *" {
		t.Errorf("schedule %q", got)
	}
}

// A connection is removed only after a preview and a confirmation.
func TestRemoveConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t, 4)
	conn := s.connect("main")
	s.importAll(conn)
	path := "/connections/" + conn.ID.String()
	n := len(s.mappings(repo.MappingFilter{}))
	s.follow(s.post(path+"/remove")).wants(http.StatusOK, plural(n, "mapping", "mappings"), "cannot be undone", "Remove permanently")
	s.post(path+"/remove", "confirm", "no").wants(http.StatusSeeOther)
	if len(s.mappings(repo.MappingFilter{})) != n {
		t.Fatal("the connection was removed without confirmation")
	}
	s.follow(s.post(path+"/remove", "confirm", "yes")).wants(http.StatusOK, "Connection “main” removed", "No Halo PSA is connected yet")
	s.get(path).wants(http.StatusNotFound)
}

func TestChart(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	at := func(days int, state repo.RunState, took time.Duration) repo.Run {
		start := now.AddDate(0, 0, -days)
		end := start.Add(took)
		return repo.Run{ID: uuid.New(), State: state, QueuedAt: start, StartedAt: &start, FinishedAt: &end}
	}
	partial := at(29, repo.StatePartial, 0)
	partial.Error = "2 of 7 mappings could not be verified"
	n := chart([]repo.Run{
		at(0, repo.StateSucceeded, time.Minute), at(1, repo.StateFailed, 15*time.Second),
		at(1, repo.StateSucceeded, time.Hour), // earlier on the same day, so not shown
		partial,
	}, now)
	last, failed, first := n.Days[29], n.Days[28], n.Days[0]
	if len(n.Days) != 30 || last.H != chartBottom-chartTop || failed.Class != "failed" || failed.Mark != "×" || failed.H != (chartBottom-chartTop)/2 {
		t.Errorf("days %+v", n.Days[28:])
	}
	if first.Mark != "!" || !strings.HasSuffix(first.Title, "partial, took 0s: 2 of 7 mappings could not be verified") || first.H != 8 || n.Days[5].Class != "nothing" || n.Days[5].H != 2 || n.Longest != "1m0s" {
		t.Errorf("days %+v", n.Days[:6])
	}
	if want := "successful on 1 day, unsuccessful on 2 days, none on 27 days"; !strings.Contains(n.Summary, want) {
		t.Errorf("summary %q", n.Summary)
	}
	if none := chart(nil, now); none.HasResyncs || len(none.Days) != 30 {
		t.Errorf("%+v", none)
	}
}

// The table contains the same data as the chart.
func TestNightsHaveATable(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	conn := s.connect("main")
	s.importAll(conn)
	path := "/connections/" + conn.ID.String()
	s.get(path).wants(http.StatusOK, "No resync yet")
	receipt, err := s.engine.RequestResync(t.Context(), "acme", conn.ID.String(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	s.perform(receipt.RunID)
	a := s.get(path)
	if len(a.find("svg", "role", "img")) != 1 || len(a.find("rect", "", "")) != chartDays {
		t.Error("no chart")
	}
	rows := a.rows()
	if len(rows) != 1 || rows[0][1] != "succeeded" || a.link(rows[0][0]) != "/runs/"+receipt.RunID {
		t.Errorf("rows %q", rows)
	}
}

// The form shows the name of an extra header but never its value. An empty value keeps
// the stored one, and an empty name removes the header.
func TestExtraHeader(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3)
	const value = "canary-gate-k3y"
	a := s.follow(s.post("/connections", s.credentials("header_name", "X-Gateway-Key", "header_value", value)...))
	a.wants(http.StatusOK, "is ready").lacks(value)
	list, err := s.store.Connections(t.Context(), "acme")
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	path := "/connections/" + list[0].ID.String()
	update := func(fields ...string) *answer {
		seen, _ := attrOf(s.get(path).find("input", "name", "seen")[0], "value")
		return s.post(path+"/update", s.credentials(append(fields, "seen", seen, "client_secret", "")...)...)
	}
	stored := func() string {
		c, err := s.store.Credentials(t.Context(), "acme", list[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		value, err := c.HeaderValue()
		if err != nil {
			t.Fatal(err)
		}
		return c.HeaderName + " " + value.Reveal()
	}
	page := s.get(path).lacks(value)
	if shown, _ := attrOf(page.find("input", "name", "header_name")[0], "value"); shown != "X-Gateway-Key" {
		t.Errorf("the form shows the name %q", shown)
	}
	if _, kept := attrOf(page.find("input", "name", "header_value")[0], "value"); kept {
		t.Error("the form contains the value")
	}
	s.follow(update("header_name", "X-Gateway-Key", "header_value", "", "name", "renamed")).wants(http.StatusOK, "Saved").lacks(value)
	if got := stored(); got != "X-Gateway-Key "+value {
		t.Errorf("kept: %s", got)
	}
	update("header_name", "X-Other", "header_value", "").wants(http.StatusUnprocessableEntity, "header's value is missing")
	s.follow(update("header_name", "X-Other", "header_value", "second-k3y")).wants(http.StatusOK, "Saved").lacks("second-k3y")
	if got := stored(); got != "X-Other second-k3y" {
		t.Errorf("replaced: %s", got)
	}
	s.follow(update("header_name", "", "header_value", "")).wants(http.StatusOK, "Saved")
	if got := stored(); got != " " {
		t.Errorf("removed: %s", got)
	}
	s.get("/events").lacks(value, "second-k3y")
}
