package halotest

import "sync"

// maxBuffer is the greatest buffer kept, in bytes.
const maxBuffer = 1 << 20

// buffers keeps the bodies of list pages for the next ones: a page of 100 rows
// is some 100 kB, more than anything else of a request.
type buffers struct{ pool sync.Pool }

// get returns an empty buffer, or nil.
func (p *buffers) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

// put takes back the body of an answer that has been sent.
func (p *buffers) put(a answer) {
	if b := a.body; a.pooled && cap(b) <= maxBuffer {
		p.pool.Put(&b)
	}
}
