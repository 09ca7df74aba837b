package halo

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// maxRoots bounds the size in bytes of a certificate file. The largest bundles of public
// authorities are a third of that size.
const maxRoots = 1 << 20

// LoadRoots returns the system's certificate authorities together with those of
// a PEM file, and the number of certificates in the file. It returns an error
// if the file is unreadable, contains no currently valid certificate, or
// contains anything but certificates, such as a private key.
func LoadRoots(path string) (roots *x509.CertPool, n int, err error) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular(): // opening a pipe would block
		return nil, 0, fmt.Errorf("%s is not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRoots+1))
	if err != nil {
		return nil, 0, err
	}
	if len(text) > maxRoots {
		return nil, 0, fmt.Errorf("%s has more than %d bytes", path, maxRoots)
	}
	if roots, err = x509.SystemCertPool(); err != nil {
		return nil, 0, fmt.Errorf("certificate authorities of the system: %w", err)
	}
	if n, err = addRoots(roots, text, time.Now()); err != nil {
		return nil, 0, fmt.Errorf("%s %w", path, err)
	}
	return roots, n, nil
}

// addRoots adds the certificates in PEM data to roots.
func addRoots(roots *x509.CertPool, text []byte, now time.Time) (n int, err error) {
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return 0, errors.New("is UTF-16: save it as UTF-8")
	}
	// A byte order mark hides the certificate that follows it. Joined files may
	// contain several marks.
	text = bytes.ReplaceAll(text, []byte("\ufeff"), nil)
	begins, valid := bytes.Count(text, []byte("-----BEGIN ")), false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		switch {
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return 0, errors.New("contains a private key: remove everything but the certificates")
		case block.Type != "CERTIFICATE":
			return 0, fmt.Errorf("contains a %q: remove everything but the certificates", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return 0, fmt.Errorf("has an unreadable certificate (number %d): %w", n+1, err)
		}
		roots.AddCert(cert)
		valid = valid || now.After(cert.NotBefore) && now.Before(cert.NotAfter)
		n++
	}
	switch {
	case bytes.Contains(text, []byte("-----BEGIN")):
		return 0, fmt.Errorf("contains data after certificate %d that is not PEM", n)
	case n < begins:
		return 0, fmt.Errorf("contains %d certificates, of which only %d could be read: each must begin at the start of a line", begins, n)
	case n == 0:
		return 0, errors.New("has no certificate in PEM form")
	case !valid:
		return 0, errors.New("has no certificate that is valid now")
	}
	return n, nil
}

// tlsFault describes in plain words what is wrong with a server's TLS. It
// returns nil if err has another cause. After such a fault, no part of the
// request has been sent.
func tlsFault(err error) error {
	var (
		cert    *tls.CertificateVerificationError
		root    x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &root):
		return errors.New("certificate from an unknown authority; add a private CA to HALOSYNC_CA_FILE")
	case errors.As(err, &host):
		return fmt.Errorf("certificate for another host: %w", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("certificate not valid at this time: %s", invalid.Detail)
	case errors.As(err, &cert), errors.As(err, &invalid):
		return fmt.Errorf("certificate not accepted: %w", err)
	case strings.Contains(err.Error(), "tls: protocol version not supported"),
		strings.Contains(err.Error(), "tls: server selected unsupported protocol version"):
		return errors.New("the server does not support TLS 1.2 or newer")
	}
	return nil
}
