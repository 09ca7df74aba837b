package halo

import (
	"encoding/json"
	"errors"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/halosync/halosync/internal/plaintext"
)

const (
	// maxExcerpt bounds an excerpt, in bytes.
	maxExcerpt = 300
	// maxRaw bounds the part of a body that is searched for a message, in
	// bytes.
	maxRaw = 4 << 10
	hidden = "[hidden]"
)

var (
	title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)
	// tokenLike matches text that looks like a token, whether or not this
	// package fetched it.
	tokenLike = regexp.MustCompile(`(?i)bearer\s+[^\s"',;]+|eyJ[\w-]{8,}\.[\w-]*\.?[\w-]*|(?:client_secret|access_token)=[^\s&"']+`)
)

// message extracts the readable message from the body of an error: the Message
// of a .NET exception, "field: message" of a binding error, a bare JSON string,
// the title of an HTML page. It is empty if the body holds only markup or
// braces.
func message(body []byte) string {
	body = withoutBOM(body)
	switch text := strings.TrimSpace(string(body[:min(len(body), maxRaw)])); {
	case text == "":
		return ""
	case text[0] == '<':
		if m := title.FindStringSubmatch(text); m != nil {
			return html.UnescapeString(m[1])
		}
		return ""
	case text[0] == '{', text[0] == '"':
		if said, ok := jsonMessage(body); ok {
			return said
		}
		return text
	default:
		return text
	}
}

// jsonMessage reads the message of a JSON body. It returns false if the body is
// not JSON.
func jsonMessage(body []byte) (string, bool) {
	var text string
	if json.Unmarshal(body, &text) == nil {
		return text, true
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return "", false
	}
	var parts []string
	for _, key := range []string{"Message", "message", "error", "error_description", "errorMessage"} {
		if json.Unmarshal(fields[key], &text) == nil && text != "" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	if len(parts) > 0 {
		return strings.Join(parts, ": "), true
	}
	return fieldMessages(fields), true
}

// fieldMessages lists the faults of a binding error, e.g.
// {"id":["The value 'x' is not valid."]}, sorted by field.
func fieldMessages(fields map[string]json.RawMessage) string {
	var parts []string
	for field, raw := range fields {
		var said []string
		if json.Unmarshal(raw, &said) == nil && len(said) > 0 {
			parts = append(parts, field+": "+strings.Join(said, " "))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// quote returns an error with the scrubbed text.
func (a *API) quote(text, token string) error {
	return errors.New(a.scrub(text, token))
}

// scrub puts text on one line, removes control characters, the secret and the
// token, and truncates the text to maxExcerpt. It hides secrets before it cuts,
// so that no partial secret remains at the end. It hides secrets both before
// and after cleaning, because cleaning can create or destroy a match.
func (a *API) scrub(text, token string) string {
	text = a.hide(text, token)
	text = a.hide(oneLine(text), token)
	if len(text) <= maxExcerpt {
		return text
	}
	text = text[:maxExcerpt-len("…")]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + "…"
}

func (a *API) hide(text, token string) string { return Redact(text, a.secret(), a.header(), token) }

// Redact hides the secrets in text, including their forms in URLs, JSON and
// HTML, and everything that looks like an access token. It ignores secrets
// shorter than four bytes, which would match everywhere.
func Redact(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		quoted, _ := json.Marshal(s)
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(quoted), `"`), html.EscapeString(s)} {
			text = strings.ReplaceAll(text, form, hidden)
		}
	}
	return tokenLike.ReplaceAllString(text, hidden)
}

// oneLine drops control characters, invisible characters and invalid UTF-8, and
// folds white space. Dropping a character joins the text on both sides, which reveals a
// secret that the character had split.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), plaintext.Printable(string(r)) != string(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return strings.Join(strings.Fields(text), " ")
}
