//go:build !unix && !windows

package vfs

func hostErrno(error) Errno { return Success }
