//go:build race

package interp

// raceEnabled has the driver take a Code's lock when it comes out of the loop: the loop, which the race detector does not see,
// follows entries that other threads publish by an atomic store after the code that they lead to.
const raceEnabled = true
