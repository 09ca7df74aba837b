package tasks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"strings"
)

// tlsOptions are the options of a Redis URL that go-redis does not know.
var tlsOptions = []string{"ca_file", "cert_file", "key_file"}

// maxPEM is more than any bundle of certificates takes, in bytes.
const maxPEM = 4 << 20

// trust is what a client believes and shows beyond the system's authorities.
type trust struct {
	roots *x509.CertPool   // nil: the system's
	own   *tls.Certificate // nil: none
}

// takeTrust reads the files that a URL's options name and returns the URL
// without these options. Its errors say which option is at fault and do not
// quote the URL.
func takeTrust(rest string) (string, trust, error) {
	head, query, _ := strings.Cut(rest, "?")
	q, err := url.ParseQuery(query)
	if q.Has("skip_verify") { // also beside what does not parse, which go-redis overlooks
		return "", trust{}, errURL("skip_verify is not to be had: name the file of the server's authority with ca_file")
	}
	if err != nil {
		return rest, trust{}, nil //nolint:nilerr // judged with the rest of the URL
	}
	files := map[string][]byte{}
	for _, name := range tlsOptions {
		if !q.Has(name) {
			continue
		}
		if files[name], err = readPEM(q.Get(name)); err != nil {
			return "", trust{}, errURL(name + ": " + err.Error())
		}
		q.Del(name)
	}
	if len(files) == 0 {
		return rest, trust{}, nil
	}
	var t trust
	if ca, ok := files["ca_file"]; ok {
		t.roots = x509.NewCertPool()
		if !t.roots.AppendCertsFromPEM(ca) {
			return "", trust{}, errURL("ca_file: holds no certificate in PEM form")
		}
	}
	cert, hasCert := files["cert_file"]
	key, hasKey := files["key_file"]
	if hasCert != hasKey {
		return "", trust{}, errURL("cert_file and key_file are needed together")
	}
	if hasCert {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return "", trust{}, errURL("cert_file and key_file: no certificate with its key in PEM form")
		}
		t.own = &pair
	}
	if len(q) > 0 {
		head += "?" + q.Encode()
	}
	return head, t, nil
}

func readPEM(path string) ([]byte, error) {
	info, err := os.Stat(path) //nolint:gosec // who configures the program names the file
	if err != nil {
		return nil, bare(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxPEM {
		return nil, errors.New("not a file of a certificate's size")
	}
	b, err := os.ReadFile(path) //nolint:gosec // see above
	return b, bare(err)
}

// bare is an error of the file system without the path.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// apply sets the trust in a client's configuration, nil without TLS.
func (t trust) apply(cfg *tls.Config) error {
	if t.roots == nil && t.own == nil {
		return nil
	}
	if cfg == nil {
		return errURL("ca_file, cert_file and key_file need TLS: write rediss, rediss-sentinel or rediss-cluster")
	}
	cfg.RootCAs = t.roots
	if t.own != nil {
		cfg.Certificates = []tls.Certificate{*t.own}
	}
	return nil
}
