// Package config reads the environment into one validated struct. It reports all faults
// at once, each with the name of its variable, and never quotes a secret.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"go.uber.org/zap/zapcore"

	"github.com/halosync/halosync/internal/ratelimit"
	"github.com/halosync/halosync/internal/secret"
)

// Names of the variables that commands may require.
const (
	DatabaseURL = "DATABASE_URL"
	RedisURL    = "REDIS_URL"
	Keyset      = "HALOSYNC_KEYSET"

	signinSecret = "HALOSYNC_SIGNIN_SECRET"
	proxy        = "HALOSYNC_PROXY"
	caFile       = "HALOSYNC_CA_FILE"
	secretFiles  = "HALOSYNC_SECRET_FILES"
)

// Config is the configuration of one process. Secrets print as "[secret]".
type Config struct {
	DatabaseURL secret.String `env:"DATABASE_URL"`
	RedisURL    secret.String `env:"REDIS_URL"`
	Keyset      secret.String `env:"HALOSYNC_KEYSET"`

	// Concurrency is the maximum number of tasks that one worker runs at once, 1 to
	// 1,000.
	Concurrency int `env:"HALOSYNC_CONCURRENCY" envDefault:"10"`
	// TenantRuns is the maximum number of imports, resyncs and suggestions of one
	// tenant that execute at once in the whole fleet, 1 to 100.
	TenantRuns int `env:"HALOSYNC_TENANT_RUNS" envDefault:"2"`
	// HTTPAddr is the host:port of the HTTP listener, or "off".
	HTTPAddr string `env:"HALOSYNC_HTTP_ADDR"`
	// RateLimit is the request budget of one Halo instance.
	RateLimit ratelimit.Rate `env:"HALOSYNC_RATE_LIMIT" envDefault:"700/5m"`
	// ResyncCron is the default schedule of resyncs. The engine validates it.
	ResyncCron string `env:"HALOSYNC_RESYNC_CRON" envDefault:"30 4 * * *"`
	// ResyncSpread is the window over which the resyncs of different connections are
	// spread, 0 to 12 h.
	ResyncSpread time.Duration `env:"HALOSYNC_RESYNC_SPREAD" envDefault:"1h"`
	// AllowHosts lists hosts and CIDR blocks that may be called even if they are private or
	// use plain HTTP.
	AllowHosts []string `env:"HALOSYNC_ALLOW_HOSTS"`
	// CAFile is a PEM file with private certificate authorities for calls to Halo, in
	// addition to the system's authorities. Package halo reads the file.
	CAFile   string        `env:"HALOSYNC_CA_FILE"`
	LogLevel zapcore.Level `env:"HALOSYNC_LOG_LEVEL" envDefault:"info"`
	// LogFormat is "json" or "console".
	LogFormat string `env:"HALOSYNC_LOG_FORMAT" envDefault:"json"`
	// Tenant is the default value of the CLI's --tenant flag.
	Tenant string `env:"HALOSYNC_TENANT"`

	// SigninSecret is the secret with which the product signs its sign-in tokens.
	// Package access parses the secret.
	SigninSecret secret.String `env:"HALOSYNC_SIGNIN_SECRET"`
	// EmbedOrigins are the origins that may embed the console in a frame. Package
	// access parses them.
	EmbedOrigins []string `env:"HALOSYNC_EMBED_ORIGINS"`

	// QueuesWritable allows changes to the queues on /asynqmon/. Without it, the page
	// is read-only.
	QueuesWritable bool `env:"HALOSYNC_QUEUES_WRITABLE"`

	// Port is set by hosting platforms. HTTPAddr takes precedence.
	Port   string `env:"PORT"`
	byPort bool

	// KeepRuns, KeepEvents and KeepClients are how long history is kept; 0 means
	// forever. Events must be kept at least as long as runs.
	KeepRuns    Days `env:"HALOSYNC_KEEP_RUNS" envDefault:"90d"`
	KeepEvents  Days `env:"HALOSYNC_KEEP_EVENTS" envDefault:"400d"`
	KeepClients Days `env:"HALOSYNC_KEEP_CLIENTS" envDefault:"180d"`

	// Proxy is the address of a proxy for calls to Halo. It may contain a password.
	// Package halo parses it.
	Proxy secret.String `env:"HALOSYNC_PROXY"`

	// SecretFiles is "private" if only the owner and the group may read files with
	// secrets, or "shared" if the platform mounts them so that all users may. In neither
	// case may another user change them.
	SecretFiles string `env:"HALOSYNC_SECRET_FILES" envDefault:"private"`

	// MetricsAddr is the host:port of the listener for metrics and for the reasons of
	// /readyz, or "off". If it is empty, the worker tries [DefaultMetricsAddr].
	MetricsAddr string `env:"HALOSYNC_METRICS_ADDR"`
	// PublicURL is the address at which browsers reach the console. Package access
	// parses it.
	PublicURL string `env:"HALOSYNC_PUBLIC_URL"`
	// TrustedProxies lists the addresses and CIDR blocks whose forwarding headers are
	// believed. Package access parses them.
	TrustedProxies []string `env:"HALOSYNC_TRUSTED_PROXIES"`
}

// sharedFiles is the value of [Config.SecretFiles] with which all users may read files
// with secrets.
const sharedFiles = "shared"

// SharedFiles reports whether all users may read files with secrets.
func (c *Config) SharedFiles() bool { return c.SecretFiles == sharedFiles }

// ByPort reports whether the HTTP listener uses all interfaces only because the hosting
// platform has set PORT.
func (c *Config) ByPort() bool { return c.byPort }

// DefaultMetricsAddr is the address of the metrics if none is set. Another worker on the
// same machine may occupy it, so a worker starts without it.
const DefaultMetricsAddr = "127.0.0.1:8081"

// The slice secrets lists the variables whose value may come from a file named by
// NAME_FILE.
var secrets = []string{DatabaseURL, RedisURL, Keyset, signinSecret, proxy}

// A FaultsError lists all faults of the environment.
type FaultsError struct{ Faults []string }

func (e *FaultsError) Error() string {
	if len(e.Faults) == 1 {
		return "environment: " + e.Faults[0]
	}
	return "environment: " + strconv.Itoa(len(e.Faults)) + " faults:\n  - " + strings.Join(e.Faults, "\n  - ")
}

// Add adds err as a fault of the named variable, unless err is nil.
func (e *FaultsError) Add(name string, err error) {
	if err != nil {
		e.Faults = append(e.Faults, truncate(name+": "+err.Error()))
	}
}

// Err returns e, or nil if e lists no faults.
func (e *FaultsError) Err() error {
	if len(e.Faults) == 0 {
		return nil
	}
	return e
}

// Load reads the environment through getenv. required lists the variables that the
// command requires. The error is a [*FaultsError]. Even if it returns an error, Load also
// returns the values that it could read, so that the caller can check them.
func Load(getenv func(string) string, required ...string) (Config, error) {
	values, faults := read(getenv)
	for _, name := range required {
		if values[name] == "" && !mentions(faults, name) {
			faults = append(faults, name+" is not set: "+purpose[name])
		}
	}

	cfg, err := env.ParseAsWithOptions[Config](env.Options{Environment: values})
	faults = append(faults, parseFaults(err)...)
	for _, fault := range cfg.check() {
		if name, _, _ := strings.Cut(fault, " "); !mentions(faults, name) {
			faults = append(faults, fault)
		}
	}
	if len(faults) > 0 {
		for i := range faults {
			faults[i] = truncate(faults[i])
		}
		return cfg, &FaultsError{Faults: faults}
	}
	return cfg, nil
}

// truncate cuts a fault to 400 bytes, because faults may quote values of any length.
func truncate(fault string) string {
	const maxBytes = 400
	if fault = strings.ToValidUTF8(fault, "\uFFFD"); len(fault) <= maxBytes {
		return fault
	}
	return strings.ToValidUTF8(fault[:maxBytes], "") + "…"
}

// purpose describes each required variable for error messages.
var purpose = map[string]string{
	DatabaseURL: "the address of Postgres, e.g. postgres://user:password@host:5432/db",
	RedisURL:    "the address of Redis, e.g. redis://host:6379/0",
	Keyset:      `the keys that seal credentials; create them with "enqueue keyset new"`,
}

// read collects the values of Config's variables, including secrets from files.
func read(getenv func(string) string) (values map[string]string, faults []string) {
	values = map[string]string{}
	params, err := env.GetFieldParams(&Config{})
	if err != nil {
		return values, []string{err.Error()}
	}
	for _, p := range params {
		if v := trim(getenv(p.Key)); v != "" {
			values[p.Key] = v
		}
	}
	shared := values[secretFiles] == sharedFiles
	for _, name := range secrets {
		path := getenv(name + "_FILE")
		switch {
		case path == "":
		case values[name] != "":
			faults = append(faults, fmt.Sprintf("%s and %s_FILE are both set: keep one", name, name))
		default:
			v, err := readSecret(path, shared)
			if err != nil {
				faults = append(faults, fmt.Sprintf("%s_FILE: %v", name, err))
			}
			values[name] = v
		}
	}
	for name, value := range values {
		if fault := pasted(name, value); fault != "" {
			faults = append(faults, name+": "+fault)
			delete(values, name) // so that no parser adds a second fault
		}
	}
	return values, append(faults, checkFiles(values, shared)...)
}

// readSecret reads a secret from a file of at most 64 KiB. A larger file cannot be a
// secret.
func readSecret(path string, shared bool) (string, error) {
	if strings.HasPrefix(path, "hsk1:") || strings.Contains(path, "://") {
		return "", errors.New("contains the secret itself: want the path of a file that contains it") // the error must not quote the secret
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > 64<<10 {
		return "", fmt.Errorf("%s is not a regular file of at most 64 KiB", path)
	}
	if err := secret.CheckMode(path, info, shared); err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
		return "", fmt.Errorf("%s is UTF-16: save it as UTF-8", path)
	}
	v := trim(string(b))
	if v == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return v, nil
}

// check reports faults that the field types cannot exclude, and sets HTTPAddr.
func (c *Config) check() (faults []string) {
	if c.Concurrency < 1 || c.Concurrency > 1000 {
		faults = append(faults, fmt.Sprintf("HALOSYNC_CONCURRENCY is %d: want 1 to 1000", c.Concurrency))
	}
	if c.TenantRuns < 1 || c.TenantRuns > 100 {
		faults = append(faults, fmt.Sprintf("HALOSYNC_TENANT_RUNS is %d: want 1 to 100", c.TenantRuns))
	}
	if c.LogFormat != "json" && c.LogFormat != "console" {
		faults = append(faults, fmt.Sprintf("HALOSYNC_LOG_FORMAT is %.80q: want json or console", c.LogFormat))
	}
	if c.ResyncSpread < 0 || c.ResyncSpread > 12*time.Hour {
		faults = append(faults, fmt.Sprintf("HALOSYNC_RESYNC_SPREAD is %v: want 0 to 12h", c.ResyncSpread))
	}
	if c.SecretFiles != "private" && c.SecretFiles != sharedFiles {
		faults = append(faults, fmt.Sprintf("%s is %.80q: want private or shared", secretFiles, c.SecretFiles))
	}
	faults = append(faults, c.checkKeep()...)
	name := "HALOSYNC_HTTP_ADDR"
	switch {
	case c.HTTPAddr == "" && c.Port != "":
		// Platforms that set PORT connect from outside, so the process must listen on
		// all interfaces.
		c.HTTPAddr, c.byPort, name = ":"+c.Port, true, "PORT"
	case c.HTTPAddr == "":
		c.HTTPAddr = "127.0.0.1:8080"
	}
	if c.HTTPAddr != "off" && !validAddr(c.HTTPAddr) {
		faults = append(faults, fmt.Sprintf("%s gives the address %.80q: want host:port or off", name, c.HTTPAddr))
	}
	if c.MetricsAddr != "" && c.MetricsAddr != "off" && !validAddr(c.MetricsAddr) {
		faults = append(faults, fmt.Sprintf("HALOSYNC_METRICS_ADDR is %.80q: want host:port or off", c.MetricsAddr))
	}
	return faults
}

func validAddr(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// parseFaults splits the error from the environment library into one fault per variable.
func parseFaults(err error) []string {
	if err == nil {
		return nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []string{err.Error()}
	}
	var faults []string
	for _, e := range all.Errors {
		var parse env.ParseError
		if errors.As(e, &parse) {
			why := parse.Err.Error()
			if num := (&strconv.NumError{}); errors.As(parse.Err, &num) {
				why = strconv.Quote(num.Num) + " is not a whole number"
				if num.Func == "ParseBool" {
					why = strconv.Quote(num.Num) + ": want true or false"
				}
			}
			faults = append(faults, variable(parse.Name)+": "+why)
			continue
		}
		faults = append(faults, e.Error())
	}
	return faults
}

// variable returns the environment variable for a field of Config.
func variable(field string) string {
	params, err := env.GetFieldParams(&Config{})
	if err != nil {
		return field
	}
	i := slices.IndexFunc(params, func(p env.FieldParams) bool {
		return strings.EqualFold(strings.ReplaceAll(strings.TrimPrefix(p.Key, "HALOSYNC_"), "_", ""), field)
	})
	if i < 0 {
		return field
	}
	return params[i].Key
}

func mentions(faults []string, name string) bool {
	return slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, name) })
}
