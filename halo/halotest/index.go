package halotest

import (
	"cmp"
	"slices"
)

// index is a set of clients in ascending order of id.
type index []*entry

func (x index) find(id int64) (int, bool) {
	return slices.BinarySearchFunc(x, id, func(e *entry, id int64) int { return cmp.Compare(e.ID, id) })
}

func (x index) get(id int64) *entry {
	if i, ok := x.find(id); ok {
		return x[i]
	}
	return nil
}

// put adds e or replaces the one with its id.
func (x *index) put(e *entry) {
	if n := len(*x); n == 0 || (*x)[n-1].ID < e.ID {
		*x = append(*x, e) // the common case, and what makes seeding linear
		return
	}
	i, ok := x.find(e.ID)
	if ok {
		(*x)[i] = e
		return
	}
	*x = slices.Insert(*x, i, e)
}

func (x *index) drop(id int64) bool {
	i, ok := x.find(id)
	if ok {
		*x = slices.Delete(*x, i, i+1)
	}
	return ok
}
