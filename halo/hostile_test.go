package halo

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// hostile lists addresses that an attacker could type to make the worker call a
// forbidden target. The field why is part of the error message. Entries with the field
// leads are names that the test's name server resolves. They are refused when dialled. All
// other entries are refused when parsed.
var hostile = []struct{ address, why, leads string }{
	// IP addresses in their usual spelling.
	{"127.0.0.1", "loopback", ""},
	{"https://127.0.0.1:8443/api", "loopback", ""},
	{"127.255.255.254", "loopback", ""},
	{"10.0.0.1", "private", ""},
	{"172.16.0.1", "private", ""},
	{"172.31.255.255", "private", ""},
	{"192.168.1.1", "private", ""},
	{"169.254.0.1", "link-local", ""},
	{"169.254.169.254", "metadata", ""},
	{"http://169.254.169.254/latest/meta-data/", "plain http", ""},
	{"169.254.170.2", "metadata", ""},
	{"100.64.0.1", "not on the public", ""},
	{"100.127.255.255", "not on the public", ""},
	{"100.100.100.200", "metadata", ""},
	{"168.63.129.16", "metadata", ""},
	{"192.0.0.192", "metadata", ""},
	{"0.0.0.0", "unspecified", ""},
	{"0.1.2.3", "not on the public", ""},
	{"255.255.255.255", "broadcast", ""},
	{"240.0.0.1", "not on the public", ""},
	{"224.0.0.1", "multicast", ""},
	{"239.255.255.250", "multicast", ""},
	{"198.18.0.1", "not on the public", ""},
	{"198.19.255.255", "not on the public", ""},
	{"192.0.0.8", "not on the public", ""},
	{"192.0.2.1", "not on the public", ""},
	{"198.51.100.1", "not on the public", ""},
	{"203.0.113.1", "not on the public", ""},
	{"192.88.99.1", "not on the public", ""},
	{"[::1]", "loopback", ""},
	{"[0:0:0:0:0:0:0:1]:443", "loopback", ""},
	{"[::]", "unspecified", ""},
	{"[fe80::1]", "link-local", ""},
	{"[fe80::1%25lo]", "not an IP address", ""},
	{"[fec0::1]", "not on the public", ""},
	{"[fc00::1]", "private", ""},
	{"[fd12:3456::1]", "private", ""},
	{"[fd00:ec2::254]", "metadata", ""},
	{"169.254.0.23", "metadata", ""},
	{"169.254.42.42", "metadata", ""},
	{"169.254.169.252", "metadata", ""},
	{"100.96.0.96", "metadata", ""},
	{"100.80.80.80", "metadata", ""},
	{"[fd00:c1::a9fe:a9fe]", "metadata", ""},
	{"[fd00:42::42]", "metadata", ""},
	{"[fd00:a9fe:a9fe::1]", "metadata", ""},
	{"[fd00:100::100:200]", "metadata", ""},
	{"[fe80::a9fe:a9fe]", "metadata", ""},
	{"[ff02::1]", "multicast", ""},
	{"[2001:db8::1]", "not on the public", ""},
	{"[100::1]", "not on the public", ""},

	// IPv4 addresses inside IPv6 addresses.
	{"[::ffff:127.0.0.1]", "write 127.0.0.1", ""},
	{"[::ffff:7f00:1]", "write 127.0.0.1", ""},
	{"[::ffff:a9fe:a9fe]", "write 169.254.169.254", ""},
	{"[::127.0.0.1]", "inside an IPv6", ""},
	{"[::ffff:0:127.0.0.1]", "inside an IPv6", ""},
	{"[64:ff9b::7f00:1]", "inside an IPv6", ""},
	{"[64:ff9b::a9fe:a9fe]", "metadata", ""},
	{"[64:ff9b:1::7f00:1]", "inside an IPv6", ""},
	{"[64:ff9b:1::a9fe:a9fe]", "metadata", ""},
	{"[::ffff:0:a9fe:a9fe]", "metadata", ""},
	{"[2002:7f00:1::]", "inside an IPv6", ""},
	{"[2002:a9fe:a9fe::1]", "metadata", ""},
	{"[2002:5db8:d822::1]", "not on the public", ""},
	{"[2001:0:4136:e378:8000:63bf:80ff:fffe]", "inside an IPv6", ""},
	{"[2001:0:4136:e378:8000:63bf:5601:5601]", "metadata", ""},
	{"[2606:4700::5efe:10.0.0.1]", "inside an IPv6", ""},
	{"[2606:4700::200:5efe:127.0.0.1]", "inside an IPv6", ""},

	// IP addresses in spellings that only some programs understand.
	{"2130706433", "write 127.0.0.1", ""},
	{"https://2852039166/api", "write 169.254.169.254", ""},
	{"0x7f000001", "write 127.0.0.1", ""},
	{"0X7F000001", "write 127.0.0.1", ""},
	{"017700000001", "write 127.0.0.1", ""},
	{"0177.0.0.1", "write 127.0.0.1", ""},
	{"0x7f.0.0.1", "write 127.0.0.1", ""},
	{"0x7f.1", "write 127.0.0.1", ""},
	{"127.1", "write 127.0.0.1", ""},
	{"127.0.1", "write 127.0.0.1", ""},
	{"10.1", "write 10.0.0.1", ""},
	{"0", "write 0.0.0.0", ""},
	{"0x", "write 0.0.0.0", ""},
	{"0xa9.0376.43518", "write 169.254.169.254", ""},
	{"127.000.000.001", "write 127.0.0.1", ""},
	{"010.0.0.1", "write 8.0.0.1", ""},
	{"127.0.0.0x1", "write 127.0.0.1", ""},
	{"127.0.0.1.", "loopback", ""},
	{"2130706433.", "write 127.0.0.1", ""},
	{"127.0.0.1..", "empty part", ""},
	{"127..1", "empty part", ""},
	{"256.0.0.1", "four numbers", ""},
	{"1.2.3.4.5", "four numbers", ""},
	{"127.0.0.08", "four numbers", ""},
	{"4294967296", "four numbers", ""},
	{"good.example.127", "four numbers", ""},
	{"good.example.0x7f", "four numbers", ""},
	{"[127.0.0.1]", "not a URL", ""},

	// Addresses whose host depends on the parser.
	{"https://good@127.0.0.1/", "user name", ""},
	{"https://good.example:443@127.0.0.1/", "user name", ""},
	{"https://good.example%2f@127.0.0.1/", "user name", ""},
	{`https://good.example\@127.0.0.1/`, "backslash", ""},
	{`https:\\127.0.0.1`, "backslash", ""},
	{"https://127.0.0.1#@good.example/", "fragment", ""},
	{"https://127.0.0.1?@good.example/", "query", ""},
	{"https://good.example#@127.0.0.1", "fragment", ""},
	{"https://127.0.0.1%23@good.example", "user name", ""},
	{"https://%31%32%37.0.0.1/", "not a URL", ""},
	{"https://127.0.0.1%00.good.example/", "not a URL", ""},
	{"https://127.0.0.1%2f.good.example/", "not a URL", ""},
	{"https://127.0.0.1\t/", "space or a control", ""},
	{"https://127.0.\n0.1/", "space or a control", ""},
	{"https://127.0.0.1 .good.example", "space or a control", ""},
	{"https://127.0.0.1\x00.good.example", "space or a control", ""},
	{"１２７.０.０.１", "outside ASCII", ""},
	{"127。0。0。1", "outside ASCII", ""},
	{"https://%EF%BC%9127.0.0.1", "outside ASCII", ""},
	{"ⓛocalhost", "outside ASCII", ""},
	{"local\u00adhost", "outside ASCII", ""},
	{"https:127.0.0.1", "not a URL", ""},
	{"//127.0.0.1/", "host is missing", ""},
	{"https:///127.0.0.1", "host is missing", ""},
	{"https://127.0.0.1:443:80/", "not a URL", ""},
	{"https://[::1", "not a URL", ""},
	{"https://[::1].good.example", "not a URL", ""},
	{"good.example/../../127.0.0.1", "relative", ""},
	{"good.example/%2e%2e/x", "letters, digits", ""},
	{"good.example/;@127.0.0.1", "letters, digits", ""},

	// Other protocols and other services.
	{"http://127.0.0.1", "plain http", ""},
	{"HTTP://good.example", "plain http", ""},
	{"ftp://127.0.0.1", "not an https URL", ""},
	{"file:///etc/passwd", "not an https URL", ""},
	{"gopher://127.0.0.1:6379/_x", "not an https URL", ""},
	{"dict://127.0.0.1:11211/", "not an https URL", ""},
	{"unix:///var/run/docker.sock", "not an https URL", ""},
	{"good.example:22", "port 22", ""},
	{"https://good.example:25/", "port 25", ""},
	{"https://good.example:80/", "port 80", ""},
	{"good.example:0", "port is not", ""},
	{"good.example:65536", "port is not", ""},
	{"good.example:-1", "not a URL", ""},
	{"good.example:443x", "not a URL", ""},

	// Names that resolve to forbidden addresses.
	{"localhost", "loopback", "127.0.0.1 ::1"},
	{"LOCALHOST.", "loopback", "127.0.0.1 ::1"},
	{"sub.localhost", "loopback", "127.0.0.1"},
	{"127.0.0.1.nip.example", "loopback", "127.0.0.1"},
	{"127-0-0-1.wild.example", "loopback", "127.0.0.1"},
	{"six.example", "loopback", "::1"},
	{"any.example", "unspecified", "0.0.0.0"},
	{"intranet", "private", "10.0.0.7"},
	{"db.internal:5432", "private", "192.168.0.7"},
	{"ula.example", "private", "fd00::7"},
	{"carrier.example", "not on the public", "100.64.0.9"},
	{"link.example", "link-local", "169.254.7.7"},
	{"metadata.google.internal", "metadata", "169.254.169.254"},
	{"metadata.goog", "metadata", "fd20:ce::254"},
	{"instance-data.ec2.internal", "metadata", "169.254.169.254"},
	{"azure.example", "metadata", "168.63.129.16"},
	{"mapped.example", "loopback", "::ffff:127.0.0.1"},
	{"compatible.example", "inside an IPv6", "::10.0.0.1"},
	{"nat64.example", "inside an IPv6", "64:ff9b::a00:1"},
	{"sixtofour.example", "inside an IPv6", "2002:a00:1::1"},
	{"teredo.example", "inside an IPv6", "2001::1"},
	{"cast.example", "multicast", "224.0.0.251"},
	{"many.example", "resolves to", "10.0.0.1 127.0.0.1 fd00::1 169.254.169.254"},
}

// Through an API, the test calls each address that can be parsed. Addresses are also called
// as typed, because a stored address may never have been parsed. Names are resolved inside
// the process, and nothing would be dialled even if the guard failed.
func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	if len(hostile) < 140 {
		t.Errorf("%d addresses", len(hostile))
	}
	for _, tt := range hostile {
		host := strings.ToLower(strings.TrimSuffix(tt.address, "."))
		host, _, _ = strings.Cut(host, ":")
		names := leads(map[string]string{
			host: tt.leads, "good.example": "93.184.216.34",
			// The C library reads these numbers as addresses, and a resolver
			// could pass them on to it.
			"2130706433": "127.0.0.1", "0x7f000001": "127.0.0.1", "0x7f.1": "127.0.0.1", "127.1": "127.0.0.1", "0177.0.0.1": "127.0.0.1",
		})
		for _, parse := range []func(string, *Allow) (string, error){ParseResourceServer, ParseAuthServer} {
			parsed, err := parse(tt.address, nil)
			switch {
			case tt.leads == "" && (err == nil || !strings.Contains(err.Error(), tt.why)):
				t.Errorf("%q typed: %q, error %v; want one with %q", tt.address, parsed, err, tt.why)
			case tt.leads != "" && err != nil:
				t.Errorf("%q typed: error %v", tt.address, err)
			case tt.leads != "":
				refused(t, parsed, tt.why, names)
			}
		}
		// An address that ends in /token does not bypass the guard.
		for _, path := range []string{"/token", "/TOKEN/", "/auth/token", "/x/token"} {
			address := strings.TrimRight(tt.address, "/") + path
			all, err := AuthServers(address, nil)
			if tt.leads == "" && err == nil {
				t.Errorf("%q typed: %q", address, all)
			}
			for _, server := range all {
				refused(t, server, tt.why, names)
			}
		}
		if all, err := AuthServers(tt.address, nil); err == nil {
			for _, server := range all {
				refused(t, server, tt.why, names)
			}
		}
		if !strings.Contains(tt.address, "good.example") {
			raw := tt.address
			if !strings.Contains(raw, "://") {
				raw = "https://" + raw
			}
			_ = unsent(t, strings.TrimRight(raw, "/"), names) // unsent checks the call
		}
	}
}

// refused checks that a call is refused without a retry and that nothing is
// dialled.
func refused(t *testing.T, address, why string, names *names) {
	t.Helper()
	err := unsent(t, address, names)
	checkKind(t, err, ErrRefused)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Attempts != 1 || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "HALOSYNC_ALLOW_HOSTS") {
		t.Errorf("%q: error %v, want %q", address, err, why)
	}
}

// unsent calls an address and checks that the call fails and that nothing is
// dialled.
func unsent(t *testing.T, address string, names *names) error {
	t.Helper()
	d := &dials{all: true}
	transport := newTransport(nil, wiring{resolver: names.resolver(), last: d.last})
	defer transport.CloseIdleConnections()
	a, err := New(Config{
		ResourceServer: address, AuthServer: address, ClientID: "app", ClientSecret: testSecret, Transport: transport,
		Limits: Limits{RetryBudget: time.Nanosecond},
	})
	if err == nil {
		_, err = a.Client(t.Context(), 7)
	}
	if made := d.made(); err == nil || len(made) > 0 {
		t.Errorf("%q: error %v; dialled %v", address, err, made)
	}
	return err
}

// With a real listener on loopback, no spelling of its address leads to a
// connection. The error is the same whether or not the port is open.
func TestRefusalDoesNotTellOpenPorts(t *testing.T) {
	t.Parallel()
	open, shut := listen(t), listen(t)
	shut.Close()
	names := leads(map[string]string{"trap.example": "127.0.0.1", "2130706433": "127.0.0.1", "127.1": "127.0.0.1", "0x7f000001": "127.0.0.1"})
	for _, host := range []string{
		"127.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]", "localhost", "localhost.", "LocalHost", "trap.example", "trap.example.",
		"0.0.0.0", "2130706433", "127.1", "0x7f000001",
	} {
		var texts []string
		for _, port := range []string{open.port(), shut.port()} {
			d := &dials{} // the listener is real, so dialling loopback is allowed
			transport := newTransport(nil, wiring{resolver: names.resolver(), last: d.last})
			a := newAPI(t, Config{
				ResourceServer: "http://" + host + ":" + port + "/api", AuthServer: "http://" + host + ":" + port + "/auth",
				ClientID: "app", ClientSecret: testSecret, Transport: transport, Limits: Limits{RetryBudget: time.Nanosecond},
			})
			_, err := a.Client(t.Context(), 7)
			transport.CloseIdleConnections()
			// Go's resolver rejects a number in place of a name.
			if !errors.Is(err, ErrRefused) && !strings.Contains(err.Error(), "does not exist") {
				t.Errorf("%s: error %v", host, err)
			}
			texts = append(texts, strings.ReplaceAll(err.Error(), port, "PORT"))
		}
		if texts[0] != texts[1] {
			t.Errorf("%s: open: %s\nshut: %s", host, texts[0], texts[1])
		}
	}
	open.untouched(t)
}

// A name server cannot bypass the check by changing its answer, because the
// transport dials exactly the address that it has checked.
func TestRebindingFindsNoGap(t *testing.T) {
	t.Parallel()
	trap := listen(t)
	const first, second = "93.184.216.34", "127.0.0.1"
	names := leads(nil)
	names.answers["rebind.example"] = [][]string{{first}, {second}, {first}, {second, first}, {second}}
	d := &dials{}
	transport := newTransport(nil, wiring{resolver: names.resolver(), last: d.last})
	t.Cleanup(transport.CloseIdleConnections)
	a := newAPI(t, Config{
		ResourceServer: "http://rebind.example:" + trap.port() + "/api", AuthServer: "http://rebind.example:" + trap.port() + "/auth",
		ClientID: "app", ClientSecret: testSecret, Transport: transport,
	})
	_, err := a.Client(t.Context(), 7) // public at first, loopback on the retry
	checkKind(t, err, ErrRefused)
	for range 3 {
		_, err := a.Client(t.Context(), 7)
		if err == nil {
			t.Error("no error")
		}
	}
	for _, address := range d.made() {
		if address != first+":"+trap.port() {
			t.Errorf("dialled %s", address)
		}
	}
	if len(d.made()) == 0 {
		t.Error("the public address was not tried")
	}
	trap.untouched(t)
}

// If a name has several addresses, only the public ones are tried.
func TestPrivateAmongPublicIsLeftOut(t *testing.T) {
	t.Parallel()
	trap := listen(t)
	names := leads(map[string]string{"mixed.example": "127.0.0.1 93.184.216.34 10.0.0.1 ::1 2606:4700::1111 fd00::1"})
	d := &dials{}
	transport := newTransport(nil, wiring{resolver: names.resolver(), last: d.last})
	if conn, err := transport.DialContext(t.Context(), "tcp", "mixed.example:"+trap.port()); err == nil {
		conn.Close()
		t.Error("connected")
	}
	made := map[string]bool{}
	for _, address := range d.made() {
		made[netip.MustParseAddrPort(address).Addr().String()] = true
	}
	if !made["93.184.216.34"] || !made["2606:4700::1111"] || len(made) != 2 {
		t.Errorf("tried %v", made)
	}
	trap.untouched(t)
}

// The guard lets calls to public addresses pass.
func TestPublicAddressesPass(t *testing.T) {
	t.Parallel()
	names := leads(map[string]string{
		"acme.halopsa.com": "93.184.216.34", "six.example": "2606:4700::1111", "xn--bcher-kva.example": "93.184.216.34",
		"2.example": "93.184.216.34", "0xcafe.example": "93.184.216.34", "a-1.b_2.example": "93.184.216.34", "1e3.x9": "93.184.216.34",
	})
	for _, address := range []string{
		"acme.halopsa.com", "ACME.HALOPSA.COM.", "acme.halopsa.com:8443", "six.example", "93.184.216.34", "[2606:4700::1111]:8443",
		"xn--bcher-kva.example", "2.example", "0xcafe.example", "a-1.b_2.example", "1e3.x9", "168.63.129.17", "172.32.0.1", "100.128.0.1",
	} {
		parsed, err := ParseResourceServer(address, nil)
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		d := &dials{all: true}
		a := newAPI(t, Config{
			ResourceServer: parsed, AuthServer: parsed, ClientID: "app", ClientSecret: testSecret,
			Transport: newTransport(nil, wiring{resolver: names.resolver(), last: d.last}), Limits: Limits{RetryBudget: time.Nanosecond},
		})
		if _, err = a.Client(t.Context(), 7); !errors.Is(err, ErrUnavailable) || len(d.made()) == 0 {
			t.Errorf("%q: dialled %v, error %v", address, d.made(), err)
		}
	}
}

// A listed name may resolve to private addresses, but not to metadata services.
func TestAllowedNameStaysFromMetadata(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		allow, leads string
		want         bool
	}{
		{"halo.corp", "10.0.0.1", true},
		{"halo.corp", "127.0.0.1", true},
		{"halo.corp", "fe80::1", true},
		{"halo.corp:22", "10.0.0.1", true},
		{"halo.corp:443", "10.0.0.1", false}, // another port
		{"other.corp", "10.0.0.1", false},
		{"10.0.0.0/8", "10.0.0.1", true},
		{"halo.corp", "169.254.169.254", false},
		{"halo.corp", "64:ff9b::a9fe:a9fe", false},
		{"halo.corp", "::ffff:169.254.169.254", false},
		{"halo.corp", "2002:a9fe:a9fe::1", false},
		{"halo.corp", "fd00:ec2::254", false},
		{"halo.corp", "168.63.129.16", false},
		{"halo.corp", "0.0.0.0", false},
		{"halo.corp", "224.0.0.1", false},
	} {
		d := &dials{all: true}
		transport := newTransport(mustAllow(t, strings.Split(tt.allow, ",")...), wiring{resolver: leads(map[string]string{"halo.corp": tt.leads}).resolver(), last: d.last})
		_, err := transport.DialContext(t.Context(), "tcp", "halo.corp:22")
		if got := len(d.made()) == 1; got != tt.want {
			t.Errorf("%s to %s: dialled %v, error %v", tt.allow, tt.leads, d.made(), err)
		}
	}
}

// everything lists all addresses.
var everything = []string{"0.0.0.0/0", "::/0"}

// spellings returns the addresses that lead to the IPv4 address of a metadata service
// through a translator or a tunnel.
func spellings(ip netip.Addr) []netip.Addr {
	if !ip.Is4() {
		return []netip.Addr{ip, ip.WithZone("eth0")}
	}
	b := ip.As4()
	with := func(prefix string, last [4]byte) netip.Addr {
		all := netip.MustParseAddr(prefix).As16()
		copy(all[12:], last[:])
		return netip.AddrFrom16(all)
	}
	sixToFour := netip.MustParseAddr("2002::1").As16()
	copy(sixToFour[2:], b[:])
	return []netip.Addr{
		ip, with("::ffff:0:0", b), with("64:ff9b::", b), with("64:ff9b:1::", b), with("::ffff:0:0:0", b), with("::", b), with("2606:4700::5efe:0:0", b),
		netip.AddrFrom16(sixToFour), with("2001:0:4136:e378:8000:63bf::", [4]byte{^b[0], ^b[1], ^b[2], ^b[3]}),
	}
}

// A listed range does not include the metadata services in it, under any name and in
// any form. Their neighbours are allowed.
func TestAllowedRangeStaysFromMetadata(t *testing.T) {
	t.Parallel()
	listed := []string{
		"169.254.169.254", "169.254.170.2", "169.254.0.23", "100.100.100.200", "fd00:ec2::254", "192.0.0.192", "168.63.129.16", "fd20:ce::254",
		"fd00:c1::a9fe:a9fe", "fd00:42::42", "fe80::a9fe:a9fe", "100.96.0.96", "0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1",
	}
	for _, text := range listed {
		for _, ip := range spellings(netip.MustParseAddr(text)) {
			for _, list := range [][]string{
				everything, {"169.254.0.0/16", "100.64.0.0/10", "fd00::/8", "168.63.0.0/16", "192.0.0.0/24", "fe80::/10", "64:ff9b::/96", "2002::/16", "halo.corp"},
			} {
				allow := mustAllow(t, list...)
				host, bare := ip.WithZone("").String(), ip.WithZone("").String()
				if strings.Contains(host, ":") {
					host = "[" + host + "]"
				}
				for _, address := range []string{"https://" + host + "/api", "http://" + host + ":8443/api"} {
					if parsed, err := ParseResourceServer(address, allow); err == nil {
						t.Errorf("%v: %s typed: %s", list, address, parsed)
					}
				}
				d := &dials{all: true}
				transport := newTransport(allow, wiring{resolver: leads(map[string]string{"halo.corp": bare, "halo.example": bare}).resolver(), last: d.last})
				for _, address := range []string{host + ":443", host + ":8443", "halo.corp:443", "halo.example:443"} {
					if _, err := transport.DialContext(t.Context(), "tcp", address); !isRefused(err) || len(d.made()) > 0 {
						t.Errorf("%v: %s, which is %s: dialled %v, error %v", list, address, ip, d.made(), err)
					}
				}
				if err := allow.check("halo.corp", netip.AddrPortFrom(ip, 443)); err == nil {
					t.Errorf("%v: %s is allowed", list, ip)
				}
			}
		}
		singles := []string{text, text + ":443", text + "/32"}
		if strings.Contains(text, ":") {
			singles = []string{text, "[" + text + "]:443", text + "/128"}
		}
		for _, single := range singles {
			if _, err := ParseAllow([]string{single}); err == nil || !strings.Contains(err.Error(), "never called") {
				t.Errorf("%s listed alone: %v", single, err)
			}
		}
	}
	for _, ip := range []string{"169.254.169.253", "169.254.170.3", "100.100.100.201", "fd00:ec2::255", "192.0.0.191", "168.63.129.17", "10.0.0.1", "127.0.0.1", "64:ff9b::a00:1"} {
		if err := mustAllow(t, everything...).check("halo.corp", netip.AddrPortFrom(netip.MustParseAddr(ip), 443)); err != nil {
			t.Errorf("%s: %v", ip, err)
		}
	}
}

func isRefused(err error) bool {
	_, ok := errors.AsType[*refusedError](err)
	return ok
}
