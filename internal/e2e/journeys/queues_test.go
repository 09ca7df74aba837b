package halosync_test

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/browsertest"
	"github.com/halosync/halosync/tasks"
)

// A tenant's admin does not see the queues; who runs the installation does, in
// asynqmon as it is, and can change nothing there. axe-core is for pages of ours.
func (d *desk) queuesInBrowser() {
	d.tenant.Seed(20, 7)
	d.connect()
	ids := d.exhibits()
	d.signIn()
	if d.Has("link", "Queues") {
		d.t.Error("an admin is shown the way to the queues")
	}
	d.visit("/asynqmon/")
	d.Expect(http.StatusForbidden)
	d.Read("This needs the scope ops, and yours is admin")
	d.visit("/connections")
	d.Press("Sign out")
	d.Heading("Sign in")
	d.key = strings.TrimSpace(d.must("apikey", "new", "ops", "--scope", "ops"))
	d.left.addAccess(d.key)
	d.signIn()
	d.looked()
	d.Follow("Queues")
	for _, queue := range []string{"interactive", "exhibit"} {
		d.See("link", queue)
	}
	d.monitored()
	for state, at := range map[string]string{"pending": "exhibit", "scheduled": "exhibit", "retry": "interactive", "archived": "interactive"} {
		d.visit("/asynqmon/queues/" + at + "?status=" + state)
		d.Read(ids[state])
		d.Read(`"tenant": "` + d.msp + `"`)
		d.monitored()
	}
	d.visit("/asynqmon/queues/interactive?status=retry") // which the search is of
	d.Read(ids["retry"])
	d.Fill("search", ids["retry"])
	d.Type("\r")
	d.Read("Task Info") // its search finds ids, which are those of runs
	d.Read(ids["retry"])
	d.monitored()
	d.visit("/asynqmon/servers")
	d.Read("import, interactive, resync")
	d.monitored()
	d.refusesChanges(ids["archived"])
}

// monitored is what [desk.looked] is to pages of ours.
func (d *desk) monitored() {
	d.t.Helper()
	d.Clean()
	d.left.add("asynqmon in a browser", d.HTML())
}

// exhibits leaves tasks in several states, and says their ids: two by what
// happens to runs, two in a queue that no worker takes from.
func (d *desk) exhibits() map[string]string {
	d.t.Helper()
	ids := map[string]string{}
	d.app.SetSecret("another") // refused, so archived
	d.app.Revoke()
	out, _, _ := d.enqueue("import", "--connection", "halo", "--client", "12", "--wait", "-o", "json")
	ids["archived"] = decode[run](d.t, out).ID
	d.app.SetSecret(canarySecret)
	d.must("connection", "update", "halo", "--client-secret-file", "-")
	d.halo.Fault(halotest.Rule{Route: "GET /Client/{id}", Times: halotest.Forever}, halotest.HTML200()) // no answer, so again later
	ids["retry"] = decode[run](d.t, d.must("import", "--connection", "halo", "--client", "13", "-o", "json")).ID

	address, err := tasks.ParseAddress(d.redis)
	if err != nil {
		d.t.Fatal(err)
	}
	queue := asynq.NewClient(address)
	defer func() { _ = queue.Close() }()
	payload := []byte(`{"tenant":"` + d.msp + `","connection_id":"0198c5b0-7d0e-7000-8000-000000000001","all":true}`)
	for state, in := range map[string]time.Duration{"pending": 0, "scheduled": time.Hour} {
		ids[state] = state + "0exhibit"
		if _, err := queue.Enqueue(asynq.NewTask(tasks.KindImport, payload), asynq.Queue("exhibit"), asynq.TaskID(ids[state]), asynq.ProcessIn(in)); err != nil {
			d.t.Fatal(err)
		}
	}
	return ids
}

// refusesChanges asks for changes past the page, which offers none, as a script
// in it could.
func (d *desk) refusesChanges(archived string) {
	d.t.Helper()
	for _, change := range []string{"DELETE /queues/exhibit", "POST /queues/import:pause", "POST /queues/interactive/archived_tasks/" + archived + ":run", "PUT /queues", "POST /nothing"} {
		method, path, _ := strings.Cut(change, " ")
		status := browsertest.Evaluate[int](d.Page, `(() => {
			const r = new XMLHttpRequest()
			r.open('`+method+`', '/asynqmon/api`+path+`', false)
			r.send()
			return r.status
		})()`)
		if status != http.StatusMethodNotAllowed {
			d.t.Errorf("%s: %d", change, status)
		}
		d.Expect(http.StatusMethodNotAllowed)
	}
	for _, offered := range []string{"Run", "Delete", "Archive", "Pause"} {
		if slices.ContainsFunc([]string{"button", "menuitem"}, func(role string) bool { return d.Has(role, offered) }) {
			d.t.Errorf("%s is offered", offered)
		}
	}
	d.Clean()
}
