// Package secret keeps credentials out of logs and out of plain sight in the
// database. [String] is a text that does not print itself; [Keyset] seals such
// a text with AES-256-GCM and binds it to its row, so that a sealed value
// copied to another tenant's row does not open there.
//
// A key set is written as one line of text (`hsk1:…`). It holds one primary key,
// which seals, and any number of older ones, which still open. Anyone who has
// that text can open everything sealed with it.
package secret
