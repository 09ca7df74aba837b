package halotest

// Word lists for names. All made up; none is meant.
var (
	regions = []string{"North", "South", "Overseas", "Key accounts"}

	places = []string{
		"Alder", "Brook", "Cedar", "Dover", "Eastfield", "Fairview", "Glen", "Harbour", "Ivy", "Juniper",
		"Kingsway", "Lakeside", "Meadow", "Northgate", "Oakham", "Parkside", "Quarry", "Ridge", "Stonebridge", "Thornton",
		"Upton", "Vale", "Westport", "Yarrow",
	}
	owners = []string{
		"Abbott", "Baker", "Carver", "Dalton", "Ellis", "Foster", "Garner", "Holt", "Ingram", "Jarvis",
		"Keller", "Lindqvist", "Marsh", "Novak", "Osei", "Petrov", "Quinn", "Rossi", "Sato", "Turner",
		"Ueda", "Vargas", "Weber", "Xu", "Young", "Zimmer", "Da Silva", "van Dijk", "McAllister", "Núñez",
	}
	trades = []string{
		"Accounting", "Architects", "Bakery", "Builders", "Catering", "Chemicals", "Clinic", "Consulting", "Dental",
		"Design", "Electrical", "Engineering", "Estates", "Farms", "Finance", "Foods", "Foundation", "Garage", "Group",
		"Insurance", "Joinery", "Law", "Logistics", "Marine", "Media", "Motors", "Opticians", "Pharmacy", "Plumbing",
		"Printing", "Recruitment", "Roofing", "School", "Security", "Solar", "Textiles", "Travel", "Veterinary",
	}
	forms = []string{"Ltd", "Limited", "Inc", "LLC", "GmbH", "S.A.", "Pty Ltd", "AG", "B.V.", "plc", "& Co"}

	foreign = []string{"日本商事株式会社", "شركة النور", "ООО Ромашка", "한빛상사", "Ελληνική Εταιρεία", "חברת אור"}
)
