package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// RedisOptions configures a private Redis. The zero value suits tests.
type RedisOptions struct {
	// Durable turns on the append-only file, with an fsync every second.
	Durable bool
	// Config holds lines of redis.conf, e.g. "maxmemory-policy noeviction".
	Config []string
	// TLS makes the server listen on a second port, with a certificate from a
	// private authority. Clients need a certificate from the same authority;
	// see [Redis.TLS].
	TLS bool
}

// Redis is a running private server on a free port of 127.0.0.1, with 512
// databases and without a password.
type Redis struct {
	*server
	port   int
	secure int                     // TLS port, if any
	launch func() (*server, error) // starts the server in its folder
}

// StartRedis starts a server in a temporary folder. When it returns, the server
// accepts commands. It returns a [*MissingError] if Redis is not installed.
func StartRedis(ctx context.Context, opts RedisOptions) (*Redis, error) {
	secure := 0
	r, err := startRedis(ctx, func(dir string, port int) (_ string, err error) {
		own := opts
		if opts.TLS {
			if secure, err = freePort(ctx); err != nil {
				return "", err
			}
			own.Config = append(tlsConf(dir, secure), opts.Config...)
		}
		return redisConf(dir, port, own), nil
	})
	if err != nil {
		return nil, err
	}
	r.secure = secure
	return r, nil
}

// tlsConf returns the settings for TLS, with the files from writeCertificates.
func tlsConf(dir string, port int) []string {
	return []string{
		"tls-port " + strconv.Itoa(port), "tls-cert-file " + filepath.Join(dir, serverCertFile),
		"tls-key-file " + filepath.Join(dir, serverKeyFile), "tls-ca-cert-file " + filepath.Join(dir, caFile),
	}
}

// startRedis starts a server with the configuration that conf returns. Further
// arguments can make it a sentinel.
func startRedis(ctx context.Context, conf func(dir string, port int) (string, error), args ...string) (*Redis, error) {
	binary, err := redisServer()
	if err != nil {
		return nil, err
	}
	// Another process may take the free port before Redis binds it.
	for range 5 {
		var r *Redis
		if r, err = tryRedis(ctx, binary, conf, args); err == nil {
			return r, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("private redis: %w", err)
}

func tryRedis(ctx context.Context, binary string, conf func(dir string, port int) (string, error), args []string) (*Redis, error) {
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir(who, "halosync-redis-")
	if err != nil {
		return nil, err
	}
	r := &Redis{launch: func() (*server, error) {
		return start("redis", dir, "TERM", who, binary, append([]string{filepath.Join(dir, "redis.conf")}, args...)...)
	}}
	if err := r.configure(ctx, dir, who, conf); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if r.server, err = r.launch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := r.await(ctx, r.answers); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

// configure picks the port and writes redis.conf. A sentinel rewrites that
// file, so the file must belong to the server's account.
func (r *Redis) configure(ctx context.Context, dir string, who *account, conf func(dir string, port int) (string, error)) (err error) {
	if r.port, err = freePort(ctx); err != nil {
		return err
	}
	text, err := conf(dir, r.port)
	if err != nil {
		return err
	}
	if strings.Contains(text, "tls-port") {
		if err := writeCertificates(dir, who); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return who.own(path)
}

// redisConf returns a configuration that never evicts keys. With any other
// policy, asynq can lose tasks.
func redisConf(dir string, port int, opts RedisOptions) string {
	lines := []string{
		"bind 127.0.0.1", "port " + strconv.Itoa(port), "dir " + dir,
		"databases 512", "save \"\"", "maxmemory-policy noeviction", "daemonize no",
	}
	if opts.Durable {
		lines = append(lines, "appendonly yes", "appendfsync everysec")
	}
	return strings.Join(append(lines, opts.Config...), "\n") + "\n"
}

// freePort returns a free port.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// answers checks that the server on the port is r. It compares the server's
// folder, because another server may have taken the port.
func (r *Redis) answers(ctx context.Context) error {
	info, err := r.Do(ctx, "INFO", "server")
	if err != nil {
		return err
	}
	if !strings.Contains(info, "/"+filepath.Base(r.dir)+"/redis.conf") {
		return errors.New("another server answers on this port")
	}
	return nil
}

// Do sends one command as the default user and returns the reply. The values of
// an array are on separate lines. An error reply becomes an error.
func (r *Redis) Do(ctx context.Context, args ...string) (string, error) {
	return ask(ctx, r.Addr(), args)
}

// Addr returns host:port.
func (r *Redis) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// URL returns the URL of database 0.
func (r *Redis) URL() string { return r.DatabaseURL(0) }

// DatabaseURL returns the URL of database n, 0 to 511.
func (r *Redis) DatabaseURL(n int) string { return fmt.Sprintf("redis://%s/%d", r.Addr(), n) }

// TLS returns the address of the TLS port as host:port, and a client's files:
// the authority's certificate, the client's certificate and its key.
func (r *Redis) TLS() (addr, ca, cert, key string) {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.secure)),
		filepath.Join(r.dir, caFile), filepath.Join(r.dir, clientCertFile), filepath.Join(r.dir, clientKeyFile)
}

// Dir returns the temporary folder, which contains server.log.
func (r *Redis) Dir() string { return r.dir }

// Halt kills the server, as in a crash, and keeps its folder. The data is lost
// unless the server is durable.
func (r *Redis) Halt() error { return r.halt("KILL") }

// Resume restarts a halted server on the same port and in the same folder. It
// returns when the server accepts commands. It must not run concurrently with
// Halt or Close.
func (r *Redis) Resume(ctx context.Context) error {
	if err := r.resume(); err != nil {
		return err
	}
	s, err := r.launch()
	if err != nil {
		return err
	}
	r.server = s
	return s.await(ctx, r.answers)
}

// Close stops the server and removes its folder.
func (r *Redis) Close() error { return r.stop() }
