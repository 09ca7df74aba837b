package repo_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/halosync/halosync/repo"
)

// BenchmarkSuggest pairs n companies with n clients that have different names, so that
// all of them are compared by similarity.
func BenchmarkSuggest(b *testing.B) {
	for _, n := range []int{2000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newFixture(b)
			dice := rand.New(rand.NewPCG(1, 2))
			companies, names := make([]repo.NewCompany, n), make([]string, n)
			for i := range n {
				name := companyName(dice)
				companies[i] = repo.NewCompany{Name: name, NormName: name}
				names[i] = name[:3] + name[4:] + " uk" // one letter fewer, one word more
			}
			must[[]repo.Company](b)(w.AddCompanies(b.Context(), w.tenant, "ann", companies))
			for b.Loop() {
				found := must[repo.Suggested](b)(w.Suggest(b.Context(), w.tenant, w.conn, askFor(names...), suggestOptions()))
				b.ReportMetric(float64(len(found.Pairs)), "pairs")
			}
		})
	}
}

// companyName returns a name of two random words and a trade.
func companyName(dice *rand.Rand) string {
	trades := strings.Fields("accountants bakery builders engineering logistics solicitors recruitment property dental transport")
	word := func() string {
		var b strings.Builder
		for range 2 + dice.IntN(3) {
			b.WriteByte("bcdfghklmnprstvw"[dice.IntN(16)])
			b.WriteByte("aeiou"[dice.IntN(5)])
		}
		return b.String()
	}
	return strings.Join(slices.Concat([]string{word(), word()}, trades[dice.IntN(len(trades)):][:1]), " ")
}
