//go:build !linux

package forktest

// Left is what a program holds that forks may leak: nothing that this system tells.
type Left struct{}

// CountLeft counts it.
func CountLeft() Left { return Left{} }

// More says what there is more of than before.
func (Left) More() string { return "" }
