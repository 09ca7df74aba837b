package listing

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/halosync/halosync/halo"
)

// FuzzReadCursor checks that a valid checkpoint stays the same when it is encoded and
// decoded.
func FuzzReadCursor(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `{"pass":2,"list":{"next_page":7,"page_size":100,"certificate":{"pages":6,"rows":600,"record_first":-1}}}`,
		`{"pass":-1,"list":{"next_page":-9223372036854775808}}`, `{"pass":1e99}`, `{"passes":[{},null],"complete":true,"way":"ids","missing":3}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := ReadCursor(raw)
		if err != nil {
			return
		}
		written, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadCursor(written)
		if diff := cmp.Diff(c, again, cmp.AllowUnexported(Cursor{}), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(halo.Cursor{}, "Seen")); diff != "" || err != nil {
			t.Errorf("%q: error %v (-read +read again):\n%s", raw, err, diff)
		}
	})
}
