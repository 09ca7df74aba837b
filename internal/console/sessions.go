package console

import (
	"strings"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// sessionsPage is the data of the Sessions page.
type sessionsPage struct {
	Rows []repo.OpenSession
	This uuid.UUID // the session of the request; zero for an API key
}

// maxOwnSessions is the maximum number of sessions on the page.
const maxOwnSessions = 100

// sessions lists the open sessions of the signed-in person.
func (c *Console) sessions(r *request) error {
	rows, err := c.store.Sessions(r.Context(), r.Tenant, repo.SessionFilter{Actor: r.Actor, Limit: maxOwnSessions})
	if err != nil {
		return err
	}
	return r.render("sessions", "Your sessions", sessionsPage{rows, r.SessionID})
}

// endSession ends one session of the signed-in person. It never ends a session of
// another person.
func (c *Console) endSession(r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	n, err := c.store.EndSessions(r.Context(), r.Tenant, r.Actor, repo.SessionFilter{ID: &id, Actor: r.Actor})
	switch {
	case err != nil:
		return err
	case n == 0:
		return problem.ErrNoPage
	case id == r.SessionID:
		return r.redirect("/signin", nil)
	}
	return r.redirect("/sessions", &flash{Text: "Session ended."})
}

// endSessions ends all sessions of the signed-in person, including the current one.
func (c *Console) endSessions(r *request) error {
	if _, err := c.store.EndSessions(r.Context(), r.Tenant, r.Actor, repo.SessionFilter{Actor: r.Actor}); err != nil {
		return err
	}
	return r.redirect("/signin", nil)
}

// browserMarks and systemMarks contain parts of User-Agent headers and what they stand
// for. The first match counts, because browsers also claim to be others.
var (
	browserMarks = [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}}
	systemMarks  = [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

// browserName returns a name for a User-Agent header that people recognise, such as
// "Firefox on Linux". It returns "" if it does not know the browser or the system.
func browserName(userAgent string) string {
	find := func(marks [][2]string) string {
		for _, m := range marks {
			if strings.Contains(userAgent, m[0]) {
				return m[1]
			}
		}
		return ""
	}
	browser, system := find(browserMarks), find(systemMarks)
	if browser == "" || system == "" {
		return ""
	}
	return browser + " on " + system
}
