package installation

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// A secret is found in each of its forms, whatever bytes surround it. No other text is
// found.
func TestSecretForms(t *testing.T) {
	t.Parallel()
	const text = `s3cret/of+mine & "yours" é`
	var s SecretForms
	s.Add("it", text)
	for form, hidden := range formsOf(text) {
		if found := s.Find("some text " + hidden + " and more"); len(found) == 0 {
			t.Errorf("%s: not found", form)
		}
	}
	for before := range 7 {
		around := strings.Repeat("x", before) + text + "yz"
		for name, encoded := range map[string]string{
			"base64": base64.StdEncoding.EncodeToString([]byte(around)), "URL's base64": base64.RawURLEncoding.EncodeToString([]byte(around)),
			"hex": hex.EncodeToString([]byte(around)), "bytes": fmt.Sprintf("%v", []byte(around)), "URL": url.QueryEscape(around), "%q": fmt.Sprintf("%q", around),
		} {
			if len(s.Find(encoded)) == 0 {
				t.Errorf("%s after %d bytes: not found", name, before)
			}
			if len(s.Find(encoded[:len(encoded)/2])) != 0 {
				t.Errorf("%s after %d bytes: found although half of it is missing", name, before)
			}
		}
	}
	if found := s.Find(strings.Repeat("nothing to be found here; ", 1000)); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}
