package console

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/halosync/halosync/internal/plaintext"
)

// again encodes v as a hidden field and decodes it. A value that was accepted once must be
// accepted again, unchanged.
func again[T interface{ Hidden() (string, error) }](t *testing.T, v T, err error, decode func(string) (T, error), name string, limit int) {
	t.Helper()
	if err != nil {
		return
	}
	if err := plaintext.Check(name); err != nil || utf8.RuneCountInString(name) > limit {
		t.Errorf("name %q: %v", name, err)
	}
	text, err := v.Hidden()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := decode(text); err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("%+v came back as %+v, %v", v, back, err)
	}
}

func FuzzDecodeHidden(f *testing.F) {
	f.Add(`{"id":12,"name":"Bakery Brown"}`)
	f.Add(`{"id":12,"name":"` + strings.Repeat("\u200d\U0001f468", 40) + `","inactive":true,"parent":"x"}`)
	f.Add(`{"company":"01a22073-7b8c-7075-8d6f-5b330ca902f6","client":3,"client_name":"\u202eevil","suggested":true}`)
	f.Add(`{"id":1e400}{}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := decodePick(text)
		again(t, p, err, decodePick, p.Name, pickName)
		r, err := decodeRow(text)
		again(t, r, err, decodeRow, r.Name, rowName)
		pair, err := decodePair(text)
		again(t, pair, err, decodePair, pair.ClientName, pickName)
	})
}

// An accepted form can be sent again unchanged. Nothing is lost or added.
func FuzzImportForm(f *testing.F) {
	f.Add("connection=c&search=x&page=2&page_size=5&inactive=1&choice=all")
	f.Add(url.Values{
		"connection": {"c"}, "listed": {`{"connection":"c","page":1,"page_size":10,"total":3}`},
		"row": {`{"id":1,"name":"A"}`, `{"id":2,"name":"B"}`}, "tick": {"2"}, "picked": {`{"id":9,"name":"Z"}`, `{"id":9,"name":"Y"}`},
	}.Encode())
	f.Fuzz(func(t *testing.T, text string) {
		v, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		form, wrong := importFormOf(v)
		if form.Page < 1 || form.Page > maxPage || form.PageSize < 1 || form.PageSize > maxPageSize || len(form.Search) > maxSearch || len(form.Picked) > maxPicks {
			t.Errorf("out of bounds: %+v", form)
		}
		if len(wrong) > 0 || form.Listed == nil {
			return
		}
		form.Picked, _ = form.Picked.merge(form.Rows, form.ticked, func(row) bool { return true })
		back, wrong := importFormOf(formValues(t, form))
		if len(wrong) > 0 || !reflect.DeepEqual(back.Picked, form.Picked) || back.listQuery != form.listQuery || back.Choice != form.Choice {
			t.Errorf("%+v came back as %+v, %v", form, back, wrong)
		}
	})
}

// formValues returns the form fields of a page that shows form.
func formValues(t testing.TB, form importForm) url.Values {
	t.Helper()
	v := form.values()
	v.Set("choice", form.Choice)
	add := func(name string, h interface{ Hidden() (string, error) }) {
		text, err := h.Hidden()
		if err != nil {
			t.Fatal(err)
		}
		v.Add(name, text)
	}
	if form.Listed != nil {
		add("listed", form.Listed)
	}
	for _, r := range form.Rows {
		add("row", r)
	}
	for _, p := range form.Picked {
		add("picked", p)
	}
	return v
}

func FuzzMapForm(f *testing.F) {
	f.Add("connection=c&company_search=a&client_search=b&replace=1")
	f.Add(url.Values{
		"connection": {"c"}, "company": {"01a22073-7b8c-7075-8d6f-5b330ca902f6"}, "client": {"3"},
		"row":  {`{"id":3,"name":"A"}`},
		"pair": {`{"company":"01a22073-7b8c-7075-8d6f-5b330ca902f6","client":4,"client_name":"B"}`},
	}.Encode())
	f.Fuzz(func(t *testing.T, text string) {
		v, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		form, _ := mapFormOf(v)
		if form.Client != 0 && form.rowOf(form.Client) == nil {
			t.Errorf("client %d is chosen but not on the page", form.Client)
		}
		if len(form.Pairs) > maxMapPairs || len(form.Rows) > maxRows {
			t.Errorf("out of bounds: %d pairs, %d rows", len(form.Pairs), len(form.Rows))
		}
		for _, p := range form.Pairs {
			if p.Company == uuid.Nil || checkClientID(p.Client) != nil {
				t.Errorf("pair %+v", p)
			}
		}
		if req := form.request("x"); len(req.Pairs) != len(form.Pairs) {
			t.Errorf("%d pairs become %d", len(form.Pairs), len(req.Pairs))
		}
	})
}
