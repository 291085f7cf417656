// Package marksweep is the plan of McCarthy (1960): objects lie in cells of their size, a collection marks what is alive, and what is not marked
// is free. Nothing moves.
package marksweep
