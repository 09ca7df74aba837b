package config

import "strings"

// trim removes a byte order mark, which some editors put in front of a text, and the
// spaces around a value.
func trim(value string) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(value), "\ufeff"))
}

// example shows the form of each address.
var example = map[string]string{
	DatabaseURL: "postgres://user:password@host:5432/db",
	RedisURL:    "redis://host:6379/0",
	proxy:       "http://user:password@host:3128",
}

// pasted returns what is wrong with a value that was pasted with extra text around it, or
// "" if nothing is wrong. The result does not quote the value, which may be a secret.
func pasted(name, value string) string {
	const quotes = "\"'`“”„‘’‚«»"
	begins, ends := strings.TrimLeft(value, quotes) != value, strings.TrimRight(value, quotes) != value
	form := example[name]
	scheme, _, isURL := strings.Cut(strings.ToLower(value), "://")
	isURL = isURL && form != "" && !strings.Contains(scheme, "=") // DATABASE_URL may also be a list of key=value
	switch {
	case begins && (ends || form != ""), ends && isURL:
		return "is in quotation marks: remove them (a shell does, but docker --env-file and Kubernetes do not)"
	case strings.HasPrefix(strings.TrimPrefix(value, "export "), name+"="):
		return "begins with its own name: keep only what follows the ="
	case form != "" && strings.HasPrefix(scheme, "jdbc:"):
		return "is an address for JDBC, which begins with jdbc: want " + form
	case name == DatabaseURL && isURL && scheme != "postgres" && scheme != "postgresql":
		return "does not begin with postgres:// or postgresql://: want " + form
	}
	return ""
}
