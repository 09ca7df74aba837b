package stdout

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriterKeepsTheFirstError(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	w := New(full)
	for range 2 {
		if n, err := fmt.Fprint(w, "text"); n != 4 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	for range 2 {
		if err := w.Close(); err == nil || err.Error() != "cannot write to standard output: no space left on device" {
			t.Errorf("error %v", err)
		}
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := New(&b)
	fmt.Fprint(w, "text")
	if err := w.Close(); err != nil || b.String() != "text" || w.CanShow() != nil {
		t.Errorf("%q, error %v", b.String(), err)
	}
	fmt.Fprint(w, "more")
	if err := w.Close(); err == nil || b.String() != "text" {
		t.Errorf("after Close: %q, error %v", b.String(), err)
	}
}

func TestCanShow(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := New(null).CanShow(); err == nil || !strings.Contains(err.Error(), "closed or /dev/null") {
		t.Errorf("/dev/null: %v", err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "key.txt"))
	if err != nil {
		t.Fatal(err)
	}
	w := New(file)
	if err := w.CanShow(); err != nil {
		t.Errorf("a file: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.CanShow(); err == nil {
		t.Error("a closed file can show output")
	}
}
