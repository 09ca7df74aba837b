package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets/*
var assetFiles embed.FS

// assets are the style sheets, scripts and icon, which are public. Their URLs contain a
// hash of the content, so that browsers can cache them forever.
type assets struct {
	urls   map[string]string // by file name
	bodies map[string][]byte // by name in the URL
}

func loadAssets() assets {
	files, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic(err) // unreachable: the files are embedded
	}
	a := assets{urls: make(map[string]string), bodies: make(map[string][]byte)}
	for _, f := range files {
		body, err := assetFiles.ReadFile(path.Join("assets", f.Name()))
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		stem, ext, _ := strings.Cut(f.Name(), ".")
		hashed := stem + "." + hex.EncodeToString(sum[:6]) + "." + ext
		a.urls[f.Name()] = "/assets/" + hashed
		a.bodies[hashed] = body
	}
	return a
}

// url returns the URL of a file.
func (a assets) url(name string) (string, error) {
	u, ok := a.urls[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return u, nil
}

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	body, ok := a.bodies[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	if strings.HasSuffix(name, ".LICENSE") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}
