//go:build !unix

package main

// onQuit does nothing: there is no SIGQUIT.
func (d *dumper) onQuit() (stop func()) { return func() {} }
