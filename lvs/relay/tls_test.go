package relay_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/lvs/relay"
)

// tlsConfigs returns what a server and its client need to talk.
func tlsConfigs(t *testing.T) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"relay.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: "relay.example"}
}

// TestTLS relays from a listener that ends TLS: the end of the stream arrives as that, and a cut one does not look complete.
func TestTLS(t *testing.T) {
	serverTLS, clientTLS := tlsConfigs(t)
	w := tcpWorld(t)
	w.front = func(ln net.Listener) net.Listener { return tls.NewListener(ln, serverTLS) }
	addr, accept := w.backend()
	b := w.relay([]string{addr})
	pair := func() (*tls.Conn, duplex) {
		client, server := b.pair(accept)
		return tls.Client(client, clientTLS), server
	}

	client, server := pair()
	send(t, client, server, "question")
	check(t, client.CloseWrite())
	wantEOF(t, server)
	send(t, server, client, "the answer")
	server.Close()
	wantEOF(t, client)
	wantReason(t, b.record(), relay.Finished)
	if s := b.relay.Snapshot(); s.SplicedBytes != 0 {
		t.Errorf("%d bytes went past TLS", s.SplicedBytes)
	}

	client, server = pair()
	send(t, client, server, "question")
	send(t, server, client, "half of the answ")
	server.SetLinger(0)
	server.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Read() = %v of a stream that was cut", err)
	}
	wantReason(t, b.record(), relay.ServerLost)
}
