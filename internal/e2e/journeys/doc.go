// Package journeys tests the console in a browser. The tests follow technicians
// from sign-in to a finished import, with the programs as they are installed.
package journeys
