// Package stdout writes the output of a command. Output that could not be written is a
// failure of the command. This includes the help and the completion scripts, which cobra
// writes.
package stdout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
)

// Writer writes the output of one command and keeps the first error.
type Writer struct {
	out io.Writer
	err error
}

// New returns a writer to out, which is standard output or its replacement in a test.
func New(out io.Writer) *Writer { return &Writer{out: out} }

// Write writes p, unless an earlier write failed. It always returns nil, because some
// callers ignore its error; [Writer.Close] returns the error instead.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err == nil {
		_, err := w.out.Write(p)
		w.keep(err)
	}
	return len(p), nil
}

// Close closes the output if it is a file, because some file systems report only at this
// point that the data was not stored. It returns the first error of any write. Closing
// twice is safe.
func (w *Writer) Close() error {
	if f, ok := w.out.(io.Closer); ok {
		w.keep(f.Close())
	}
	w.out = discarded{}
	return w.err
}

func (w *Writer) keep(err error) {
	if err == nil || w.err != nil {
		return
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // without "write /dev/stdout"
	}
	w.err = fmt.Errorf("cannot write to standard output: %w", err)
}

// The writer discarded refuses everything that is written after Close.
type discarded struct{}

func (discarded) Write([]byte) (int, error) { return 0, fs.ErrClosed }

// CanShow returns an error if the output is /dev/null, where no one can read it. Call it
// before you create something that is shown only once.
//
// The Go runtime opens /dev/null instead of a closed standard output, so a program cannot
// distinguish the two. Python and Node also start programs in this way, to discard the
// output on purpose. Other commands therefore accept /dev/null.
func (w *Writer) CanShow() error {
	f, ok := w.out.(*os.File)
	if !ok {
		return nil
	}
	out, err := f.Stat()
	if err != nil {
		w.keep(err)
		return w.err
	}
	if null, err := os.Stat(os.DevNull); err == nil && os.SameFile(out, null) {
		return fmt.Errorf("standard output is closed or %s, but this is shown only once: redirect it to a file", os.DevNull)
	}
	return nil
}

// KeepOnBrokenPipe lets the program continue after the program that reads its output or its
// log has ended. By default, a signal would kill the program, even between the creation of
// a secret and its revocation.
func KeepOnBrokenPipe() { signal.Ignore(syscall.SIGPIPE) }
