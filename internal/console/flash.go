package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// flash is a message that the next page shows once. A cookie carries the message, because
// it can contain names, and URLs end up in logs and browser histories. The cookie is
// signed, so that only this session can set it.
type flash struct {
	Kind string      `json:"k,omitempty"` // "" for success, or "warn"
	Text string      `json:"t"`
	Link string      `json:"l,omitempty"` // a path of the console
	Go   string      `json:"g,omitempty"` // text of the link
	Undo []uuid.UUID `json:"u,omitempty"` // mappings that the Undo button restores
}

const (
	flashCookie  = "halosync_flash"
	flashSeconds = 60
	flashText    = 400  // characters
	flashUndo    = 50   // mappings; users restore a larger number from the list of former mappings
	flashBytes   = 3800 // without the signature; browsers limit a cookie to 4,096 bytes
)

// setFlash makes the next page show f. It does nothing if f is nil.
func (r *request) setFlash(f *flash) {
	if f == nil {
		return
	}
	short := *f
	if utf8.RuneCountInString(short.Text) > flashText {
		short.Text = string([]rune(short.Text)[:flashText-1]) + "…"
	}
	if len(short.Undo) > flashUndo {
		short.Undo = nil
	}
	text, err := json.Marshal(short)
	if err != nil {
		return // strings and ids always marshal
	}
	value := base64.RawURLEncoding.EncodeToString(text)
	if len(value) > flashBytes {
		return
	}
	http.SetCookie(r.w, r.c.site.Cookie(flashCookie, value+"."+r.Sign(flashCookie+value), flashSeconds))
}

// takeFlash returns the message and deletes its cookie. It returns nil if this session
// did not set the cookie.
func (r *request) takeFlash() *flash {
	sent := r.c.site.ReadCookie(r.Request, flashCookie)
	if sent == "" {
		return nil
	}
	http.SetCookie(r.w, r.c.site.Cookie(flashCookie, "", -1))
	value, signature, _ := strings.Cut(sent, ".")
	if !r.Signed(flashCookie+value, signature) {
		return nil
	}
	return readFlash(value)
}

// readFlash decodes a message. It returns nil if value is invalid.
func readFlash(value string) *flash {
	text, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return nil
	}
	var f flash
	if json.Unmarshal(text, &f) != nil || f.Text == "" || len(f.Undo) > flashUndo {
		return nil
	}
	if f.Kind != "" {
		f.Kind = "warn"
	}
	if !localPath(f.Link) {
		f.Link = ""
	}
	return &f
}

// localPath reports whether p is a path on this host.
func localPath(p string) bool {
	return len(p) > 1 && p[0] == '/' && p[1] != '/' && p[1] != '\\'
}
