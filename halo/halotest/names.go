package halotest

import (
	"math/rand/v2"
	"strings"
	"unicode"
)

// region is a language's way of naming a firm.
type region struct {
	weight   int
	families []string
	trades   []string
	towns    []string
	forms    []string
	patterns []string // F family, G another family, T trade, P town, L legal form
}

// regions are the sources of ordinary names. The words are common ones; firms
// of such names may exist, none is meant.
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

// name makes a name of r. In a pattern, words without small letters stand for
// parts, letter by letter; "LLP" does not.
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

// part replaces a letter that stands for a part.
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

// phrases splits at bars; blanks and line ends around them do not count.
func phrases(s string) []string {
	list := strings.Split(s, "|")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}
