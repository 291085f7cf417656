//go:build !linux && !openbsd && !dragonfly && !darwin && !freebsd && !netbsd && !windows

package vfs

func addHost(*Stat, any) {}
