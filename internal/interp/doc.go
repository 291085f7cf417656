// Package interp is the portable engine: a register machine over pre-decoded code, run by one frameless dispatch loop.
package interp
