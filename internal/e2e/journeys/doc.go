// Package journeys tests the console in a browser. The tests follow technicians from
// sign-in to a finished import and use the programs in their installed form.
package journeys
