package console

import (
	"fmt"
	"strconv"
	"time"

	"github.com/halosync/halosync/internal/problem"
	"github.com/halosync/halosync/repo"
)

// securityPage is the data of the Security events page.
type securityPage struct {
	Rows         []repo.SecurityEvent
	Next, Newest string
	Since        string
}

// security lists the tenant's security events, newest first.
func (c *Console) security(r *request) error {
	p := securityPage{Since: r.value("since")}
	f := repo.SecurityFilter{Limit: pageRows + 1}
	var err error
	if p.Since != "" {
		if f.Since, err = time.Parse(time.DateOnly, p.Since); err != nil {
			return &problem.InputError{Reason: "Invalid date. Enter it as 2026-11-28."}
		}
	}
	if before := r.value("before"); before != "" {
		if f.Before, err = strconv.ParseInt(before, 10, 64); err != nil || f.Before <= 0 {
			return problem.ErrNoPage
		}
		p.Newest = r.with("before", "")
	}
	if p.Rows, err = c.store.SecurityEvents(r.Context(), r.Tenant, f); err != nil {
		return err
	}
	if len(p.Rows) > pageRows {
		p.Rows = p.Rows[:pageRows]
		p.Next = r.with("before", fmt.Sprint(p.Rows[pageRows-1].ID))
	}
	return r.render("security", "Security events", p)
}

// securityWords maps the kinds of security events to the words that the page shows.
var securityWords = map[repo.SecurityKind]string{
	repo.SecuritySignIn: "Sign-in", repo.SecurityKeyUsed: "API key used", repo.SecurityKeyAdded: "API key added",
	repo.SecurityKeyRevoked: "API key revoked", repo.SecuritySessionEnded: "Session ended", repo.SecuritySecretChanged: "Secret of a connection changed",
	repo.SecurityAddressChanged: "Address of a connection changed", repo.SecurityKeysetRotated: "Key set rotated", repo.SecurityRoleGranted: "Rights granted",
	repo.SecurityScopeExceeded: "Use beyond the scope",
}
