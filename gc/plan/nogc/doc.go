// Package nogc is the plan that never collects (Epsilon): for short-lived guests, and to measure others against.
package nogc
