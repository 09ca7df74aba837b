package scheduler

import (
	"context"
	"fmt"

	"github.com/halosync/halosync/repo"
)

// exportSecurity passes new security events to the worker's log and metrics. Only one
// worker of the fleet does so at a time, so that each event, including those of
// commands, appears once in the logs of the fleet.
func (s *Scheduler) exportSecurity(ctx context.Context) error {
	for {
		n, err := s.cfg.Store.ExportSecurityEvents(ctx, func(events []repo.SecurityEvent) {
			for _, e := range events {
				s.cfg.SecurityEvent(e)
			}
		})
		if err != nil {
			return fmt.Errorf("export security events: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}
