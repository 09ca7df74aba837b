package journeys

import "github.com/halosync/halosync/repo/repotest"

// Without JavaScript, a person sees who signed in, and signs out of all browsers.
func (tech *technician) signOutEverywhere() {
	tech.signIn()
	tech.Follow("Security")
	tech.Heading("Security events")
	tech.Read("key:browser")
	tech.inspect()
	tech.scripts = false
	tech.WithoutScripts()
	tech.Follow("Sessions")
	tech.Heading("Your sessions")
	tech.Read("(this session)")
	tech.inspect()
	tech.Press("Sign out everywhere")
	tech.Heading("Sign in")
	tech.inspect()
	if left := repotest.Value[int](tech.T, tech.DB, `select count(*) from halosync.sessions where tenant = $1`, tech.msp); left != 0 {
		tech.T.Errorf("%d sessions left", left)
	}
	tech.visit("/connections")
	tech.Heading("Sign in")
}
