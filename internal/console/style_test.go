package console

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var token = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)

// schemes reads the colours of the light and the dark scheme from the style sheet.
func schemes(t *testing.T) map[string]map[string]string {
	t.Helper()
	body, err := assetFiles.ReadFile("assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, ok := strings.Cut(string(body), "@media (prefers-color-scheme: dark)")
	dark, _, ok2 := strings.Cut(rest, "*, ::before")
	if !ok || !ok2 {
		t.Fatal("the style sheet does not define a light and a dark scheme")
	}
	read := func(css string) map[string]string {
		colours := make(map[string]string)
		for _, m := range token.FindAllStringSubmatch(css, -1) {
			colours[m[1]] = m[2]
		}
		return colours
	}
	return map[string]map[string]string{"light": read(light), "dark": read(dark)}
}

// luminance returns the relative luminance of a colour as defined in WCAG 2.
func luminance(hex string) float64 {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		return math.NaN()
	}
	linear := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// In both schemes the contrast with the background is at least 4.5 to 1 for text and 3 to
// 1 for the borders of fields.
func TestContrast(t *testing.T) {
	t.Parallel()
	pairs := map[string][]string{
		"text":   {"page", "card", "sunk", "good-sunk", "warn-sunk", "bad-sunk", "accent-sunk"},
		"soft":   {"page", "card", "sunk", "good-sunk", "warn-sunk", "bad-sunk", "accent-sunk"},
		"accent": {"page", "card", "sunk", "accent-sunk", "good-sunk", "warn-sunk"}, "accent-text": {"accent"},
		"good": {"good-sunk"}, "warn": {"warn-sunk"}, "bad": {"bad-sunk", "card", "sunk"},
	}
	for scheme, colours := range schemes(t) {
		check := func(front, back string, minimum float64) {
			if c := contrast(colours[front], colours[back]); !(c >= minimum) {
				t.Errorf("%s: %s on %s is %.2f to 1, want %.1f", scheme, front, back, c, minimum)
			}
		}
		for front, backs := range pairs {
			for _, back := range backs {
				check(front, back, 4.5)
			}
		}
		for _, back := range []string{"card", "page"} {
			check("field", back, 3)
			for _, bar := range []string{"good", "warn", "bad", "accent"} {
				check(bar, back, 3)
			}
		}
		if len(colours) < 15 {
			t.Errorf("%s: %s", scheme, fmt.Sprint(colours))
		}
	}
}
