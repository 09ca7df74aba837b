package halo

import (
	"iter"
	"maps"
	"math/bits"
	"slices"
)

// IDSet is a set of ids, stored as a sparse bitmap in words of 64 consecutive
// ids. A million consecutive ids take some 550 KB. The zero value is empty and
// ready to use; a nil set can be read. An IDSet is not safe for concurrent use.
type IDSet struct {
	words map[int64]uint64
	count int
}

// Add adds id to the set and reports whether it was new.
func (s *IDSet) Add(id int64) bool {
	word, bit := split(id)
	before := s.words[word]
	if before&bit != 0 {
		return false
	}
	if s.words == nil {
		s.words = make(map[int64]uint64)
	}
	s.words[word] = before | bit
	s.count++
	return true
}

// Has reports whether id is in the set.
func (s *IDSet) Has(id int64) bool {
	if s == nil {
		return false
	}
	word, bit := split(id)
	return s.words[word]&bit != 0
}

// Len returns the number of ids.
func (s *IDSet) Len() int {
	if s == nil {
		return 0
	}
	return s.count
}

// All yields the ids in ascending order. The set must not be changed during the
// iteration.
func (s *IDSet) All() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		if s == nil {
			return
		}
		for _, word := range slices.Sorted(maps.Keys(s.words)) {
			for rest := s.words[word]; rest != 0; rest &= rest - 1 {
				if !yield(word<<6 | int64(bits.TrailingZeros64(rest))) {
					return
				}
			}
		}
	}
}

// clone returns a copy of the set. The copy of a nil set is an empty set.
func (s *IDSet) clone() *IDSet {
	if s == nil {
		return &IDSet{}
	}
	return &IDSet{words: maps.Clone(s.words), count: s.count}
}

// split returns the word that holds an id, and the id's bit in that word.
func split(id int64) (word int64, bit uint64) {
	return id >> 6, 1 << (uint64(id) & 63) //nolint:gosec // two's complement is intended
}
