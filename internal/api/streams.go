package api

import (
	"reflect"
	"sync"

	"github.com/halosync/halosync/internal/view"
)

var runType = reflect.TypeFor[view.Run]()

// streams counts who is watching.
type streams struct {
	most, mostOfOne int

	mu       sync.Mutex
	all      int
	byTenant map[string]int
}

func newStreams(most int) *streams {
	return &streams{most: most, mostOfOne: max(1, most/10), byTenant: make(map[string]int)}
}

// enter counts one more of a tenant, until leave is called; false: there are as
// many as may be.
func (s *streams) enter(tenant string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.byTenant[tenant] >= s.mostOfOne {
		return nil, false
	}
	s.all++
	s.byTenant[tenant]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.byTenant[tenant]--; s.byTenant[tenant] == 0 {
			delete(s.byTenant, tenant)
		}
	}, true
}
