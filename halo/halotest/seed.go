package halotest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Seed fills the tenant with n clients, the same ones for the same seed: the
// "Unknown" client with id 1, and n-1 others with gaps between their ids.
// Most have plain names, some have what real data has: accents, other
// scripts, quotes, markup, formulas, names that differ in case or blanks only,
// the same name twice, very long ones. Some are inactive.
func (t *Tenant) Seed(n int, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 2))
	clients := make([]Client, 0, n)
	if n > 0 {
		clients = append(clients, Client{ID: unknownID, Name: "Unknown", TopLevelID: 1, TopLevelName: "All clients"})
	}
	last, id := "", int64(10)
	for i := 1; i < n; i++ {
		id += 1 + dice.Int64N(3)
		name := oddName(dice, i, last)
		if name == "" {
			name = plainName(dice)
		}
		last = name
		c := Client{ID: id, Name: name, Inactive: dice.IntN(25) == 0, Ref: fmt.Sprintf("C%05d", id)}
		if region := dice.IntN(5); region > 0 {
			c.TopLevelID, c.TopLevelName = int64(region), regions[region-1]
		}
		if dice.IntN(3) == 0 {
			c.Website = fmt.Sprintf("https://www.client%d.example", id)
		}
		clients = append(clients, c)
	}
	t.Add(clients...)
}

// unknownID is the catch-all client's, by convention.
const unknownID = 1

// oddName gives every 12th client or so a difficult name.
func oddName(dice *rand.Rand, i int, last string) string {
	if dice.IntN(12) != 0 {
		return ""
	}
	base := plainName(dice)
	switch dice.IntN(14) {
	case 0:
		return "  " + base + " "
	case 1:
		return last // twice
	case 2:
		return strings.ToUpper(last)
	case 3:
		return "=HYPERLINK(\"http://x.example\",\"" + base + "\")"
	case 4:
		return base + " <b>&amp; Sons</b>"
	case 5:
		return "O’Neill " + base
	case 6:
		return strings.Repeat(base+" and ", 250/(len(base)+5)+1) + "partners"
	case 7:
		return "Mu\u0308ller & So\u0308hne " + fmt.Sprint(i) // combining
	case 8:
		return "Müller & Söhne " + fmt.Sprint(i) // precomposed
	case 9:
		return foreign[dice.IntN(len(foreign))] + " " + fmt.Sprint(i)
	case 10:
		return base + " 🥐"
	case 11:
		return `"` + base + `", 'quoted' \ back`
	case 12:
		return base + "\t" + "Branch\u00a0" + fmt.Sprint(i)
	default:
		return "@" + base
	}
}

// plainName builds a name from word lists: there are some 200,000.
func plainName(dice *rand.Rand) string {
	pick := func(list []string) string { return list[dice.IntN(len(list))] }
	name := pick(owners) + " " + pick(trades)
	if dice.IntN(2) == 0 {
		name = pick(places) + " " + name
	}
	if dice.IntN(3) > 0 {
		name += " " + pick(forms)
	}
	return name
}
