package halotest

// scripts are the regions that do not write Latin letters, each with names of
// one script.
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
