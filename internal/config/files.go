package config

import (
	"net/url"
	"os"
	"strings"

	"github.com/halosync/halosync/internal/secret"
)

// urlFiles lists the options of URLs that name files. A private key is a secret. Anyone
// who can change a CA certificate can impersonate the server.
var urlFiles = []struct {
	variable, option string
	private          bool
}{
	{DatabaseURL, "sslkey", true}, {DatabaseURL, "sslcert", false}, {DatabaseURL, "sslrootcert", false},
	{RedisURL, "key_file", true}, {RedisURL, "cert_file", false}, {RedisURL, "ca_file", false},
}

// checkFiles returns the faults in the permissions of the files that the argument values
// names. Other faults, such as a missing file, are reported when the file is read.
func checkFiles(values map[string]string, shared bool) (faults []string) {
	check := func(what, path string, shared bool) {
		info, err := os.Stat(path)
		if err != nil {
			return
		}
		if err := secret.CheckMode(path, info, shared); err != nil {
			faults = append(faults, what+": "+err.Error())
		}
	}
	check(caFile, values[caFile], true)
	for _, f := range urlFiles {
		_, query, _ := strings.Cut(values[f.variable], "?")
		options, _ := url.ParseQuery(query) // the parser of the whole URL reports the error
		check(f.variable+": "+f.option, options.Get(f.option), shared || !f.private)
	}
	return faults
}
