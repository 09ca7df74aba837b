package redisurl

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"strings"
)

// tlsOptions lists the options of a Redis URL that this package adds to those of
// go-redis.
var tlsOptions = []string{"ca_file", "cert_file", "key_file"}

// maxPEM is the maximum size of a PEM file in bytes. It exceeds the size of any
// certificate bundle.
const maxPEM = 4 << 20

// tlsFiles holds the contents of the files that a URL's options refer to.
type tlsFiles struct {
	roots  *x509.CertPool   // nil for the system's authorities
	client *tls.Certificate // nil for none
}

// cutTLSFiles reads the files that a URL's options refer to, and returns the URL
// without these options. Errors name the option but do not quote the URL.
func cutTLSFiles(rest string) (string, tlsFiles, error) {
	head, query, _ := strings.Cut(rest, "?")
	q, err := url.ParseQuery(query)
	if q.Has("skip_verify") { // checked before err, because go-redis ignores malformed options
		return "", tlsFiles{}, errURL("skip_verify is not supported: set ca_file to the certificate of the server's authority")
	}
	if err != nil {
		return rest, tlsFiles{}, nil //nolint:nilerr // the parser of the whole URL reports the error
	}
	files := map[string][]byte{}
	for _, name := range tlsOptions {
		if !q.Has(name) {
			continue
		}
		if files[name], err = readPEM(q.Get(name)); err != nil {
			return "", tlsFiles{}, errURL(name + ": " + err.Error())
		}
		q.Del(name)
	}
	if len(files) == 0 {
		return rest, tlsFiles{}, nil
	}
	var t tlsFiles
	if ca, ok := files["ca_file"]; ok {
		t.roots = x509.NewCertPool()
		if !t.roots.AppendCertsFromPEM(ca) {
			return "", tlsFiles{}, errURL("ca_file: no PEM certificate in the file")
		}
	}
	cert, hasCert := files["cert_file"]
	key, hasKey := files["key_file"]
	if hasCert != hasKey {
		return "", tlsFiles{}, errURL("set both cert_file and key_file")
	}
	if hasCert {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return "", tlsFiles{}, errURL("cert_file and key_file: want a PEM certificate and its key")
		}
		t.client = &pair
	}
	if len(q) > 0 {
		head += "?" + q.Encode()
	}
	return head, t, nil
}

func readPEM(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxPEM {
		return nil, errors.New("want a regular file of at most 4 MiB")
	}
	b, err := os.ReadFile(path) //nolint:gosec // the operator chooses the file
	if bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
		return nil, errors.New("the file is UTF-16: save it as UTF-8")
	}
	return bytes.ReplaceAll(b, []byte("\ufeff"), nil), withoutPath(err) // a byte order mark hides the PEM block behind it
}

// withoutPath removes the path from a file system error.
func withoutPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// apply adds the files to a client's TLS configuration. If cfg is nil, the client
// does not use TLS.
func (t tlsFiles) apply(cfg *tls.Config) error {
	if t.roots == nil && t.client == nil {
		return nil
	}
	if cfg == nil {
		return errURL("ca_file, cert_file and key_file need TLS: use rediss, rediss-sentinel or rediss-cluster")
	}
	cfg.RootCAs = t.roots
	if t.client != nil {
		cfg.Certificates = []tls.Certificate{*t.client}
	}
	return nil
}
