package console

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// The largest forms stay below the 1 MiB limit on request bodies, even with the longest
// names.
func TestFormsStayBelowTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	wide := strings.Repeat("\U0001f3ed", 1000) // each character has 4 bytes, or 12 when encoded in a form
	form := importForm{listQuery: listQuery{Connection: uuid.NewString(), Search: strings.Repeat("x", maxSearch), Page: maxPage, PageSize: maxPageSize}, Choice: choosePicked}
	for id := range int64(maxPicks) {
		form.Picked = append(form.Picked, row{ID: maxClientID - id, Name: wide}.pick())
	}
	for id := range int64(maxRows) {
		form.Rows = append(form.Rows, row{ID: maxClientID - id, Name: shorten(wide, rowName), Inactive: true, Parent: shorten(wide, pickName)})
	}
	v := formValues(t, form)
	for range form.Rows {
		v.Add("tick", "9007199254740992")
	}
	if n := len(v.Encode()); n > limit {
		t.Errorf("import: %d bytes", n)
	}

	v = url.Values{}
	add := func(name string, h interface{ Hidden() (string, error) }) {
		text, err := h.Hidden()
		if err != nil {
			t.Fatal(err)
		}
		v.Add(name, text)
	}
	for range maxMapPairs {
		add("pair", mapPair{Company: uuid.New(), Client: maxClientID, ClientName: shorten(wide, pickName), Suggested: true})
	}
	for _, r := range form.Rows[:maxOptions+1] {
		add("row", r)
	}
	if n := len(v.Encode()); n > limit {
		t.Errorf("map: %d bytes", n)
	}
}

// The size of the selection is limited, and the wizard reports how many did not fit.
func TestPicksAreBounded(t *testing.T) {
	t.Parallel()
	all := func(row) bool { return true }
	var p picks
	for id := range int64(maxPicks - 1) {
		p, _ = p.with(pick{ID: id + 1})
	}
	rows := []row{{ID: 1}, {ID: 5000}, {ID: 5001}, {ID: 5002}}
	p, left := p.merge(rows, map[int64]bool{1: true, 5000: true, 5001: true, 5002: true}, all)
	if len(p) != maxPicks || left != 2 || !p.Has(5000) || p.Has(5001) {
		t.Errorf("%d chosen, %d left out", len(p), left)
	}
	p, left = p.merge(rows, map[int64]bool{5001: true}, func(r row) bool { return r.ID != 1 })
	if len(p) != maxPicks || left != 0 || !p.Has(1) || p.Has(5000) || !p.Has(5001) {
		t.Errorf("after another choice: %d chosen, %d left out", len(p), left)
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"short": "short", strings.Repeat("a", 50): strings.Repeat("a", 50), strings.Repeat("é", 51): strings.Repeat("é", 49) + "…",
		"a\x00b": "ab", " x \n": "x",
	} {
		if got := shorten(name, 50); got != want || shorten(got, 50) != got {
			t.Errorf("%q became %q", name, got)
		}
	}
}
