// Package secret keeps credentials out of logs and unreadable in the database. [String]
// is a string that does not print itself. [Keyset] seals such a string with AES-256-GCM
// and binds it to its row, so that a sealed value that is copied to another tenant's
// row does not open there.
//
// A key set is written as one line of text (`hsk1:…`). It holds one primary key, which
// seals, and any number of older keys, which still open. Anyone who has the text can
// open everything that was sealed with it.
package secret
