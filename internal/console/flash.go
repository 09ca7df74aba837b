package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/google/uuid"
)

// flash is a message that the next page shows once. It travels in a cookie, so
// that no name gets into an address, which logs and histories keep.
type flash struct {
	Kind string      `json:"k,omitempty"` // "" is good news, "warn" not quite
	Text string      `json:"t"`
	Link string      `json:"l,omitempty"` // a path of the console
	Go   string      `json:"g,omitempty"` // the link's text
	Undo []uuid.UUID `json:"u,omitempty"` // deleted mappings to offer back
}

const (
	flashCookie  = "halosync_flash"
	flashSeconds = 60
	flashText    = 400  // characters
	flashUndo    = 50   // mappings; more are in the deleted view
	flashBytes   = 3800 // browsers keep 4,096 of a cookie
)

// setFlash lets the next page show f; nil: nothing.
func (v *visit) setFlash(f *flash) {
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
		return // it has texts and ids only
	}
	value := base64.RawURLEncoding.EncodeToString(text)
	if len(value) > flashBytes {
		return
	}
	http.SetCookie(v.w, v.cookie(value, flashSeconds))
}

// takeFlash reads the message and forgets it. Whatever is in the cookie is
// shown as text, so one that somebody else made does no more than that.
func (v *visit) takeFlash() *flash {
	sent, err := v.r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	http.SetCookie(v.w, v.cookie("", -1))
	return readFlash(sent.Value)
}

// readFlash decodes a message; nil if it is none.
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

// localPath says that a link stays in the console.
func localPath(p string) bool {
	return len(p) > 1 && p[0] == '/' && p[1] != '/' && p[1] != '\\'
}

func (v *visit) cookie(value string, seconds int) *http.Cookie {
	c := &http.Cookie{
		Name: flashCookie, Value: value, Path: "/", MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: v.r.TLS != nil || v.r.Header.Get("X-Forwarded-Proto") == "https",
	}
	if v.c.embedded {
		c.SameSite, c.Secure, c.Partitioned = http.SameSiteNoneMode, true, true
	}
	return c
}
