package names

import "unicode"

// lookalikes lists punctuation that people type or paste instead of the character on the
// left. Names that differ only in such characters are the same name.
//
// Sources: confusables.txt of Unicode Technical Standard #39, version 17.0.0, for
// punctuation, symbols and the modifier letters that stand for an apostrophe; PropList.txt
// for Quotation_Mark, which covers ‚ ‹ › and the corner brackets. The ornaments, the half
// rings and the saltillo letters are added by name. Other letters, digits and combining
// marks are never listed, even if they look like punctuation: the Hebrew yod remains a
// letter. Dashes that are not listed are found by [unicode.Dash].
var lookalikes = func() map[rune]rune {
	table := make(map[rune]rune)
	for _, row := range []struct {
		as   rune
		from string
	}{
		{'\'', "`´΄᾽᾿῾ʹʻʼʽʾʿˈˊˋ˴˓ՙ՚՝׳ߴߵꞋꞌ‘’‚‛′‵‹›❛❜❟❮❯「」"},
		{'"', "˝ʺˮ˵˶״᳓“”„‟″‶«»⹂〃〝〞〟❝❞❠『』🙶🙷🙸"},
		{'-', "‐‑‒–—―⁃−➖˗۔─━"},
		{'~', "˜῀⁓∼〜"},
		{'=', "᐀⹀゠꓿"},
		{'.', "․܁܂꘎𐩐"},
		{',', "¸؍٫"},
		{':', "։׃܃܄᛬᠃᠉⁚∶˸꞉︰"},
		{'·', "•‧∙⋅⸱᛫・𐄁"},
		{'/', "᜵⁁⁄∕╱⟋⧸𝈺㇓"},
		{'\\', "∖⟍⧵⧹𝈏𝈻㇔"},
		{'(', "❨❲〔﴾"},
		{')', "❩❳〕﴿"},
		{'{', "❴𝄔"},
		{'}', "❵"},
		{'<', "˂𝈶"},
		{'>', "˃𝈷"},
		{'*', "⁎٭∗"},
		{'+', "᛭➕"},
		{'^', "˄"},
		{'_', "﹍﹎﹏"},
	} {
		for _, r := range row.from {
			table[r] = row.as
		}
	}
	return table
}()

// invisible reports whether r has no glyph. It covers Default_Ignorable_Code_Point, the
// other format and control characters, and two symbols that fonts leave blank: the empty
// Braille pattern and the musical null notehead.
func invisible(r rune) bool {
	return r == '\u2800' || r == '\U0001D159' || unicode.IsControl(r) ||
		unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
