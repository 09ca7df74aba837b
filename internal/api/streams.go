package api

import (
	"reflect"
	"sync"

	"github.com/halosync/halosync/internal/view"
)

var runType = reflect.TypeFor[view.Run]()

// streams counts the open streams, in total and per tenant.
type streams struct {
	max, maxPerTenant int

	mu       sync.Mutex
	all      int
	byTenant map[string]int
}

func newStreams(limit int) *streams {
	return &streams{max: limit, maxPerTenant: max(1, limit/10), byTenant: make(map[string]int)}
}

// enter counts a stream of a tenant until leave is called. It returns false if a limit
// is reached.
func (s *streams) enter(tenant string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.max || s.byTenant[tenant] >= s.maxPerTenant {
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
