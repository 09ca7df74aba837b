package halotest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// Seed adds n clients like those of a managed service provider. The same n and
// seed always give the same clients. If the tenant has no client 1, the first
// new client is "Unknown", Halo's conventional client for records that match no
// other client. Ids ascend with gaps, starting after the greatest existing id.
// About four clients in a hundred are inactive, and a few have no top level.
// From n = 300, the clients include all hostile names of the package, spread at
// random. Some ordinary names occur more than once, as in reality.
func (t *Tenant) Seed(n int, seed uint64) {
	if n <= 0 {
		return
	}
	s := newSeeder(n, seed)
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.lastID()
	for i := range n {
		if t.all.get(1) == nil {
			id = max(id, 1)
			t.put(Client{
				ID: 1, Name: "Unknown", TopLevelID: 1, TopLevelName: s.topLevels[0],
				MainSiteID: 1, Created: s.epoch, Updated: s.epoch,
			})
			continue
		}
		id += s.gap()
		t.put(s.client(i, id))
	}
}

// seeder generates clients.
type seeder struct {
	dice      *rand.Rand
	regions   []region
	weights   []int // index of each region, repeated according to its weight
	odd       map[int]string
	topLevels []string
	epoch     time.Time
}

func newSeeder(n int, seed uint64) *seeder {
	s := &seeder{
		dice:      rand.New(rand.NewPCG(seed, 0x73656564)),
		regions:   regions(),
		topLevels: phrases("Customers|Public Sector & Education|Healthcare|München & Süd|Partners <resale>|Prospects"),
		epoch:     time.Date(2018, 3, 1, 8, 0, 0, 0, time.UTC),
	}
	for i, r := range s.regions {
		for range r.weight {
			s.weights = append(s.weights, i)
		}
	}
	s.odd = s.placeHostileNames(n)
	return s
}

// placeHostileNames spreads the hostile names over n clients. If n is small, it
// places only some of them, so that at most one client in three has a hostile
// name.
func (s *seeder) placeHostileNames(n int) map[int]string {
	names := hostileNames()
	if 3*len(names) > n {
		s.dice.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		names = names[:n/3]
	}
	odd := make(map[int]string, len(names))
	for _, name := range names {
		i := s.dice.IntN(n)
		for odd[i] != "" || i == 0 { // index 0 is "Unknown"
			i = s.dice.IntN(n)
		}
		odd[i] = name
	}
	return odd
}

// gap returns the distance to the next id: usually 1, sometimes a few, rarely
// many.
func (s *seeder) gap() int64 {
	switch d := s.dice.IntN(100); {
	case d < 80:
		return 1
	case d < 99:
		return 2 + s.dice.Int64N(5)
	default:
		return 10 + s.dice.Int64N(40)
	}
}

// client returns the i-th client.
func (s *seeder) client(i int, id int64) Client {
	c := Client{ID: id, Name: s.odd[i], MainSiteID: id + 17}
	if c.Name == "" {
		c.Name = s.regions[pick(s.dice, s.weights)].name(s.dice)
	}
	c.Inactive = s.dice.IntN(100) < 4
	c.VIP = s.dice.IntN(100) < 3
	if top := s.topLevel(); top > 0 {
		c.TopLevelID, c.TopLevelName = int64(top), s.topLevels[top-1]
	}
	if s.dice.IntN(3) == 0 {
		c.Ref = "C" + strconv.FormatInt(10_000+id, 10)
	}
	if s.dice.IntN(2) == 0 {
		c.Phone = fmt.Sprintf("01632 960%03d", s.dice.IntN(1000)) // numbers reserved for fiction
	}
	if s.dice.IntN(2) == 0 {
		host := "client" + strconv.FormatInt(id, 10) + ".example"
		c.Website, c.Domain, c.Email = "https://www."+host, host, "accounts@"+host
	}
	if s.dice.IntN(10) == 0 {
		c.Notes = "Invoices by e-mail only.\r\n\"Ask for Jo\" – never before 9."
	}
	const years = 8 * 365 * 24 * time.Hour
	c.Created = s.epoch.Add(s.moment(years))
	if s.dice.IntN(20) != 0 { // the other clients have never been changed
		c.Updated = c.Created.Add(s.moment(years / 4))
	}
	c.CustomFields = s.customFields(id)
	return c
}

// topLevel returns the number of a random top level, usually the first. 0 means
// no top level.
func (s *seeder) topLevel() int {
	switch d := s.dice.IntN(100); {
	case d < 2:
		return 0
	case d < 75:
		return 1
	default:
		return 2 + s.dice.IntN(len(s.topLevels)-1)
	}
}

// moment returns a random duration below limit. Its fraction of a second has 0
// to 7 digits.
func (s *seeder) moment(limit time.Duration) time.Duration {
	unit := time.Second
	for range s.dice.IntN(8) {
		unit /= 10
	}
	unit = max(unit, 100*time.Nanosecond)
	return time.Duration(s.dice.Int64N(int64(limit))).Truncate(unit)
}

// customFields returns a field for one client in ten. The values cover every
// JSON type.
func (s *seeder) customFields(id int64) []CustomField {
	values := []any{
		"Gold", 12, 12.5, true, nil, "", []string{"Backup", "E-mail"}, map[string]any{"id": 3, "name": "Silver"}, "2026-01-01T00:00:00",
	}
	value := pick(s.dice, values)
	if s.dice.IntN(10) != 0 {
		return nil
	}
	return []CustomField{{ID: 100 + id%7, Name: "CFContract", Label: "Contract", Value: value}}
}
