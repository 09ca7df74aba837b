package telemetry

import "github.com/prometheus/client_golang/prometheus"

// securityOutcomes lists the outcomes of each kind of security event.
var securityOutcomes = map[string][]string{
	"signin":             {"succeeded", "refused", "throttled"},
	"apikey.used":        {"refused", "throttled"},
	"apikey.added":       {"succeeded"},
	"apikey.revoked":     {"succeeded"},
	"session.ended":      {"succeeded"},
	"connection.secret":  {"succeeded"},
	"connection.address": {"succeeded"},
	"keyset.rotated":     {"succeeded"},
	"role.granted":       {"succeeded"},
	"scope.exceeded":     {"refused"},
}

// registerSecurity adds the metric of security events and creates all of
// its series with the value 0.
func (m *Metrics) registerSecurity() {
	m.security = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "halosync_security_events_total",
		Help: "Security events of the whole installation that this worker wrote to its log, by kind and outcome.",
	}, []string{"kind", "outcome"})
	m.registry.MustRegister(m.security)
	for kind, list := range securityOutcomes {
		for _, outcome := range list {
			m.security.WithLabelValues(kind, outcome)
		}
	}
}

// SecurityEvent counts n security events of the same kind and outcome.
func (m *Metrics) SecurityEvent(kind, outcome string, n int) {
	list, known := securityOutcomes[kind]
	if !known {
		kind = other
	}
	m.security.WithLabelValues(kind, oneOf(list, outcome)).Add(float64(n))
}
