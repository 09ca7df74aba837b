// Package journeys holds the tests of the console in a browser: what technicians do
// with it from sign-in to a finished import, with the programs as they are installed.
package journeys
