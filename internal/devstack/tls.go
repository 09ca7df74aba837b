package devstack

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// These files are in the folder of a server with TLS.
const (
	caFile         = "ca.pem"
	serverCertFile = "server.pem"
	serverKeyFile  = "server-key.pem"
	clientCertFile = "client.pem"
	clientKeyFile  = "client-key.pem"
)

// writeCertificates creates an authority and two certificates, for a server at
// 127.0.0.1 and for a client. All are valid for one day.
func writeCertificates(dir string, who *account) error {
	now := time.Now()
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature,
		}
	}
	ca := template(1, "halosync devstack")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caKey, err := newKey()
	if err != nil {
		return err
	}
	server := template(2, "server")
	server.IPAddresses, server.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := template(3, "client")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}

	write := func(file, kind string, der []byte) error {
		path := filepath.Join(dir, file)
		return errors.Join(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600), who.own(path))
	}
	for _, c := range []struct {
		cert              *x509.Certificate
		certFile, keyFile string
	}{{ca, caFile, ""}, {server, serverCertFile, serverKeyFile}, {client, clientCertFile, clientKeyFile}} {
		key := caKey
		if c.keyFile != "" {
			if key, err = newKey(); err != nil {
				return err
			}
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				return err
			}
			if err := write(c.keyFile, "PRIVATE KEY", der); err != nil {
				return err
			}
		}
		der, err := x509.CreateCertificate(rand.Reader, c.cert, ca, key.Public(), caKey)
		if err != nil {
			return err
		}
		if err := write(c.certFile, "CERTIFICATE", der); err != nil {
			return err
		}
	}
	return nil
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
