package journeys

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"github.com/halosync/halosync/halo/halotest"
	"github.com/halosync/halosync/internal/browsertest"
	"github.com/halosync/halosync/internal/e2e/installation"
	"github.com/halosync/halosync/tasks"
)

// A tenant's admin does not see the queues. With the scope ops, asynqmon shows
// the queues and permits no changes. axe-core does not audit asynqmon's pages,
// because they are third-party.
func (tech *technician) queuesInBrowser() {
	tech.Tenant.Seed(20, 7)
	tech.Connect()
	ids := tech.exhibits()
	tech.signIn()
	if tech.Has("link", "Queues") {
		tech.T.Error("an admin sees a link to the queues")
	}
	tech.visit("/asynqmon/")
	tech.Expect(http.StatusForbidden)
	tech.Read("This needs the scope ops, and yours is admin")
	tech.visit("/connections")
	tech.Press("Sign out")
	tech.Heading("Sign in")
	tech.key = strings.TrimSpace(tech.Must("apikey", "new", "ops", "--scope", "ops"))
	tech.KeepAccess(tech.key)
	tech.signIn()
	tech.inspect()
	tech.Follow("Queues")
	for _, queue := range []string{"interactive", "exhibit"} {
		tech.See("link", queue)
	}
	tech.monitored()
	for state, at := range map[string]string{"pending": "exhibit", "scheduled": "exhibit", "retry": "interactive", "archived": "interactive"} {
		tech.visit("/asynqmon/queues/" + at + "?status=" + state)
		tech.Read(ids[state])
		tech.Read(`"tenant": "` + tech.msp + `"`)
		tech.monitored()
	}
	tech.visit("/asynqmon/queues/interactive?status=retry") // only this list has a search field
	tech.Read(ids["retry"])
	tech.Fill("search", ids["retry"])
	tech.Type("\r")
	tech.Read("Task Info") // the search finds a task by the id of its run
	tech.Read(ids["retry"])
	tech.monitored()
	tech.visit("/asynqmon/servers")
	tech.Read("import, interactive, resync")
	tech.monitored()
	tech.refusesChanges(ids["archived"])
}

// monitored does the same as [technician.inspect], but for asynqmon's pages.
func (tech *technician) monitored() {
	tech.T.Helper()
	tech.Clean()
	tech.Keep("asynqmon in a browser", tech.HTML())
}

// exhibits creates tasks in several states and returns the id of each task, keyed by its
// state. Two tasks belong to runs that fail in Halo PSA. Two are in a queue that no worker
// serves.
func (tech *technician) exhibits() map[string]string {
	tech.T.Helper()
	ids := map[string]string{}
	tech.App.SetSecret("another") // refused, so the task is archived
	tech.App.Revoke()
	out, _, _ := tech.Enqueue("import", "--connection", "halo", "--client", "12", "--wait", "-o", "json")
	ids["archived"] = installation.Decode[installation.Run](tech.T, out).ID
	tech.App.SetSecret(tech.Secrets.Client)
	tech.Must("connection", "update", "halo", "--client-secret-file", "-")
	tech.Halo.Fault(halotest.Rule{Route: "GET /Client/{id}", Times: halotest.Forever}, halotest.HTML200()) // not JSON, so the task is retried
	ids["retry"] = installation.Decode[installation.Run](tech.T, tech.Must("import", "--connection", "halo", "--client", "13", "-o", "json")).ID

	address, err := tasks.ParseAddress(tech.Redis)
	if err != nil {
		tech.T.Fatal(err)
	}
	queue := asynq.NewClient(address)
	defer func() { _ = queue.Close() }()
	payload := []byte(`{"tenant":"` + tech.msp + `","connection_id":"0198c5b0-7d0e-7000-8000-000000000001","all":true}`)
	for state, in := range map[string]time.Duration{"pending": 0, "scheduled": time.Hour} {
		ids[state] = state + "0exhibit"
		if _, err := queue.Enqueue(asynq.NewTask(tasks.KindImport, payload), asynq.Queue("exhibit"), asynq.TaskID(ids[state]), asynq.ProcessIn(in)); err != nil {
			tech.T.Fatal(err)
		}
	}
	return ids
}

// refusesChanges checks that the server refuses the changes that a script in the page
// requests. The page must not have any button that makes changes.
func (tech *technician) refusesChanges(archived string) {
	tech.T.Helper()
	for _, change := range []string{"DELETE /queues/exhibit", "POST /queues/import:pause", "POST /queues/interactive/archived_tasks/" + archived + ":run", "PUT /queues", "POST /nothing"} {
		method, path, _ := strings.Cut(change, " ")
		status := browsertest.Evaluate[int](tech.Page, `(() => {
			const r = new XMLHttpRequest()
			r.open('`+method+`', '/asynqmon/api`+path+`', false)
			r.send()
			return r.status
		})()`)
		if status != http.StatusMethodNotAllowed {
			tech.T.Errorf("%s: %d", change, status)
		}
		tech.Expect(http.StatusMethodNotAllowed)
	}
	for _, offered := range []string{"Run", "Delete", "Archive", "Pause"} {
		if slices.ContainsFunc([]string{"button", "menuitem"}, func(role string) bool { return tech.Has(role, offered) }) {
			tech.T.Errorf("%s is offered", offered)
		}
	}
	tech.Clean()
}
