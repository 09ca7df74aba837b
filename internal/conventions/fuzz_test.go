package conventions

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// fuzzed names the fuzz target for each parser of external input, or explains
// why the parser needs none. The test fails if a function looks like a parser
// and is not listed.
var fuzzed = map[string]string{
	"internal/cli parseExpires": "FuzzParseExpires",
	"internal/cli parsePair":    "FuzzParsePair",
	"internal/cli parseSince":   "FuzzParseSince",

	"internal/tabular Client":      "FuzzParseID",
	"internal/tabular ParseID":     "FuzzParseID",
	"internal/tabular ReadIDs":     "FuzzReadIDs",
	"internal/tabular ReadPairs":   "FuzzReadPairs",
	"internal/tabular parseClient": "FuzzParseID",
	"internal/tabular parseID":     "FuzzParseID",
	"internal/tabular readText":    "FuzzReadIDs",

	"halo ParseAllow":          "FuzzParseAllow",
	"halo ParseAuthServer":     "FuzzParseServer",
	"halo ParseProxy":          "FuzzParseProxy",
	"halo ParseResourceServer": "FuzzParseServer",
	"halo parseAddress":        "FuzzParseServer",
	"halo parsePort":           "FuzzParseServer",
	"halo readOn":              "no: it copies bytes without parsing",
	"halo decodeClient":        "FuzzDecodeClient",
	"halo decodeListing":       "FuzzDecodeListing",
	"halo decodeToken":         "FuzzTokenAnswer",
	"halo CheckHeader":         "FuzzCheckHeader",

	"internal/access ParseOrigins":    "FuzzParseOrigins",
	"internal/access ParsePublicURL":  "no: it calls parseOrigin",
	"internal/access ParseProxies":    "no: net/netip parses addresses from the operator",
	"internal/access parseOrigin":     "FuzzParseOrigins",
	"internal/access parseKey":        "FuzzParseKey",
	"internal/access readToken":       "FuzzReadToken",
	"internal/api parseCursor":        "FuzzParseCursor",
	"internal/config read":            "FuzzLoad",
	"internal/config readSecret":      "no: it reads a file up to a limit; other functions parse the content",
	"internal/console readFlash":      "FuzzReadFlash",
	"internal/console decodeHidden":   "FuzzDecodeHidden", // also covers all hidden fields
	"internal/console decodeOffer":    "FuzzDecodeHidden",
	"internal/console decodePair":     "FuzzDecodeHidden",
	"internal/console decodePick":     "FuzzDecodeHidden",
	"internal/console decodeRow":      "FuzzDecodeHidden",
	"internal/console importFormOf":   "FuzzImportForm",
	"internal/console mapFormOf":      "FuzzMapForm",
	"internal/schedule Parse":         "FuzzParseSchedule",
	"internal/engine parseRunID":      "no: uuid.Parse alone",
	"internal/listing ReadCursor":     "FuzzReadCursor",
	"internal/ratelimit ParseRate":    "FuzzParseRate",
	"internal/redisurl Parse":         "FuzzParse",
	"internal/redisurl parseCluster":  "FuzzParse",
	"internal/redisurl parseSentinel": "FuzzParse",
	"internal/redisurl parseSingle":   "FuzzParse",
	"internal/redisurl parseSocket":   "FuzzParse",
	"internal/redisurl readPEM":       "no: crypto/x509 parses a file from the operator",
	"internal/setup Read":             "no: it calls parsers that have fuzz targets",
	"internal/worker readSettings":    "no: it calls parsers that have fuzz targets",
	"internal/secret Parse":           "FuzzParse",
	"internal/secret decode":          "FuzzParse",

	"repo/internal/scoped ParseConfig": "no: pgx parses an address from the operator",

	"tasks ParseAddress": "no: it calls redisurl.Parse",
	"tasks ReadStored":   "FuzzReadStored",
	"tasks decode":       "FuzzDecode",
	"tasks parseInfo":    "no: the input comes from the operator's own Redis",
	"tasks parseRunID":   "no: uuid.Parse alone",

	// These parsers have other names.
	"internal/cli printCSV":         "FuzzOutput",
	"internal/cli printJSON":        "FuzzOutput",
	"halo document":                 "FuzzDecodeAsBefore",
	"halo message":                  "FuzzErrorBody",
	"halo retryAfter":               "FuzzRetryAfter", // also covers dates
	"internal/access localPath":     "FuzzLocalPath",
	"internal/access forwarded":     "FuzzForwarded",
	"internal/api cutTag":           "FuzzIfMatch",
	"internal/config Load":          "FuzzLoad",
	"internal/names Normalise":      "FuzzNormaliseName",
	"internal/names StripLegalForm": "FuzzStripLegalForm",
	"internal/plaintext Clean":      "FuzzClean",
	"internal/secret Open":          "FuzzOpen",
	"repo halosync.canonical_args":  "FuzzSQLArguments", // written in SQL
	"halo/halotest appendString":    "FuzzAppendString",
}

func TestEveryParserHasAFuzzTarget(t *testing.T) {
	t.Parallel()
	var (
		parser  = regexp.MustCompile(`(?m)^func ((?:[pP]arse|[dD]ecode|[rR]ead)(?:[A-Z]\w*)?)(?:\[[^\]]*\])?\([^)]*(?:string|\[\]byte|io\.Reader|json\.RawMessage)\b`)
		target  = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f `)
		kits    = regexp.MustCompile(`^(halo/halotest|repo/repotest|internal/(demo|devstack|e2e)|tools/bench)`)
		targets = map[string]bool{}
		found   = 0
	)
	for file, source := range sources(t) {
		dir := path.Dir(file)
		if strings.HasSuffix(file, "_test.go") {
			for _, m := range target.FindAllStringSubmatch(source, -1) {
				targets[dir+" "+m[1]] = true
			}
			continue
		}
		if kits.MatchString(dir) {
			continue
		}
		for _, m := range parser.FindAllStringSubmatch(source, -1) {
			found++
			if fuzzed[dir+" "+m[1]] == "" {
				t.Errorf("%s: %s parses external input: write a fuzz target and add a line to this table", file, m[1])
			}
		}
	}
	used := map[string]bool{}
	for name, by := range fuzzed {
		dir, _, _ := strings.Cut(name, " ")
		if why, none := strings.CutPrefix(by, "no: "); none && why != "" {
			continue
		}
		if used[dir+" "+by] = true; !targets[dir+" "+by] {
			t.Errorf("%s: its package has no %s", name, by)
		}
	}
	for name := range targets {
		if !used[name] {
			t.Errorf("no parser in the table has the fuzz target %s", name)
		}
	}
	if found < 20 {
		t.Errorf("%d parsers found: check the pattern", found)
	}
}
