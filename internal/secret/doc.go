// Package secret keeps credentials out of logs and encrypts them for the database. [String]
// is a string that does not print its text. [Keyset] seals such a string with AES-256-GCM
// and binds it to its row and its use; see [Binding]. Therefore a sealed value does not
// open after it was copied to another row, or after the address in its row was changed.
// [CheckMode] checks the permissions of files with secrets.
//
// The text form of a key set is one line (`hsk1:…`). A key set has one primary key, which
// seals values, and any number of older keys, which can still open them. Anyone who has the
// text can open every value that was sealed with the set.
package secret
