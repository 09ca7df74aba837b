package halo

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// authority is a private certificate authority for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	a := authority{cert: certificate("private authority")}
	a.cert.IsCA, a.cert.KeyUsage = true, x509.KeyUsageCertSign
	a.key, a.cert.Raw = a.sign(t, a.cert)
	parsed, err := x509.ParseCertificate(a.cert.Raw)
	if err != nil {
		t.Fatal(err)
	}
	a.cert = parsed
	return a
}

func certificate(name string, hosts ...string) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
			continue
		}
		c.DNSNames = append(c.DNSNames, host)
	}
	return c
}

// sign creates a key and a certificate for it. The authority signs its own
// certificate with its own key.
func (a authority) sign(t testing.TB, c *x509.Certificate) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if signer == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

// serve starts a server with a certificate. The server answers and counts every
// request.
func (a authority) serve(t testing.TB, c *x509.Certificate, change func(*tls.Config)) (url string, requests *int) {
	t.Helper()
	requests = new(int)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests++
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/auth/token" {
			fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, testToken)
			return
		}
		fmt.Fprint(w, `{"id":7}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	key, der := a.sign(t, c)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	if change != nil {
		change(server.TLS)
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, requests
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// file writes data to a file and returns the path.
func file(t testing.TB, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A request is sent only if the server's certificate and TLS version are
// accepted.
func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	known, unknown := newAuthority(t), newAuthority(t)
	past, future, client := certificate("x", "127.0.0.1"), certificate("x", "127.0.0.1"), certificate("x", "127.0.0.1")
	past.NotBefore, past.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	future.NotBefore, future.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	path := file(t, known.pem())

	version := func(low, high uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MinVersion, c.MaxVersion = low, high }
	}
	tests := []struct {
		name   string
		by     authority
		cert   *x509.Certificate
		change func(*tls.Config)
		want   string // empty: the request reaches the server
	}{
		{"private authority", known, certificate("x", "127.0.0.1"), nil, ""},
		{"TLS 1.2", known, certificate("x", "127.0.0.1"), version(tls.VersionTLS12, tls.VersionTLS12), ""},
		{"TLS 1.1", known, certificate("x", "127.0.0.1"), version(tls.VersionTLS10, tls.VersionTLS11), "TLS 1.2"},
		{"TLS 1.0", known, certificate("x", "127.0.0.1"), version(tls.VersionTLS10, tls.VersionTLS10), "TLS 1.2"},
		{"unknown authority", unknown, certificate("x", "127.0.0.1"), nil, "HALOSYNC_CA_FILE"},
		{"signed by itself", authority{}, certificate("x", "127.0.0.1"), nil, "HALOSYNC_CA_FILE"},
		{"another host", known, certificate("x", "acme.halopsa.com"), nil, "another host"},
		{"host only in the common name", known, certificate("127.0.0.1"), nil, "another host"},
		{"another IP address", known, certificate("x", "127.0.0.2"), nil, "another host"},
		{"expired", known, past, nil, "not valid at this time"},
		{"not valid yet", known, future, nil, "not valid at this time"},
		{"for clients", known, client, nil, "not accepted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, requests := tt.by.serve(t, tt.cert, tt.change)
			roots, n, err := LoadRoots(path)
			if err != nil || n != 1 {
				t.Fatalf("%d certificates, error %v", n, err)
			}
			transport := localTransport(t)
			transport.TLSClientConfig.RootCAs = roots
			a := newAPI(t, Config{ResourceServer: url + "/api", AuthServer: url + "/auth", ClientID: "app", ClientSecret: testSecret, Transport: transport})
			_, err = a.Client(t.Context(), 7)
			if tt.want == "" {
				if err != nil || *requests != 2 {
					t.Errorf("%d requests, error %v", *requests, err)
				}
				return
			}
			checkKind(t, err, ErrUnavailable)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Attempts != 1 || !strings.Contains(err.Error(), tt.want) || *requests != 0 {
				t.Errorf("%d requests, error %v; want one with %q", *requests, err, tt.want)
			}
		})
	}
}

func TestLoadRoots(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t), newAuthority(t)
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	old := certificate("old")
	old.NotBefore, old.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	_, oldDER := a.sign(t, old)
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	tests := []struct {
		name string
		text []byte
		n    int
		want string
	}{
		{"one", a.pem(), 1, ""},
		{"two, with a comment and CRLF", bytes.ReplaceAll(slices.Concat([]byte("# ours\n"), a.pem(), []byte("\n"), b.pem()), []byte("\n"), []byte("\r\n")), 2, ""},
		{"with a byte order mark", slices.Concat([]byte("\ufeff"), a.pem()), 1, ""},
		{"two files with byte order marks, joined", slices.Concat([]byte("\ufeff"), a.pem(), []byte("\ufeff"), b.pem()), 2, ""},
		{"UTF-16", []byte("\xff\xfe-\x00-\x00"), 0, "UTF-16"},
		{"the second one is indented", slices.Concat(a.pem(), []byte("  "), b.pem()), 0, "after certificate 1"},
		{"behind text", slices.Concat([]byte("ours: "), a.pem(), b.pem()), 0, "contains 2 certificates, of which only 1"},
		{"an expired one and a valid one", slices.Concat(block("CERTIFICATE", oldDER), a.pem()), 2, ""},
		{"only an expired one", block("CERTIFICATE", oldDER), 0, "no certificate that is valid now"},
		{"empty", nil, 0, "no certificate"},
		{"text", []byte("hello"), 0, "no certificate"},
		{"DER", a.cert.Raw, 0, "no certificate"},
		{"with its key", slices.Concat(a.pem(), block("PRIVATE KEY", key)), 0, "private key"},
		{"with an EC key", slices.Concat(block("EC PRIVATE KEY", key), a.pem()), 0, "private key"},
		{"with a locked key", slices.Concat(a.pem(), block("ENCRYPTED PRIVATE KEY", key)), 0, "private key"},
		{"something else", slices.Concat(a.pem(), block("CERTIFICATE REQUEST", key)), 0, "CERTIFICATE REQUEST"},
		{"broken", block("CERTIFICATE", []byte("nonsense")), 0, "unreadable certificate (number 1)"},
		{"cut off", slices.Concat(a.pem(), b.pem()[:100]), 0, "after certificate 1"},
		{"too large", bytes.Repeat([]byte("#"), maxRoots+1), 0, "more than"},
	}
	for _, tt := range tests {
		_, n, err := LoadRoots(file(t, tt.text))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) || n != tt.n {
			t.Errorf("%s: %d certificates, error %v; want %d and %q", tt.name, n, err, tt.n, tt.want)
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none"), os.DevNull} {
		if _, _, err := LoadRoots(path); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}
