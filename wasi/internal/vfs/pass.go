package vfs

import "os"

// Passed describes a File that goes to another process: what it is made of there, together with an open file of the system.
type Passed struct {
	Kind                     PassedKind
	Read, Write, Append, Own bool   `json:",omitempty"` // of a regular file
	Path                     string `json:",omitempty"` // of a directory, below its mount
	Mount                    int    `json:",omitempty"` // of a directory: those with the same number are of the same mount
}

// PassedKind says which kind of File it is.
type PassedKind uint8

// The kinds.
const (
	PassedNone PassedKind = iota // no File
	PassedFile
	PassedDir
	PassedStream
	PassedSocket
	PassedListener
	PassedNothing // a stream with nothing in it, or that discards; it has no open file
)

// Passer is a File that can go to another process.
type Passer interface {
	File
	// Pass describes it, and returns a descriptor of its own of the same open file description, which the caller closes; of a directory it may be another description. mount tells the number of a
	// mount.
	Pass(mount func(any) int) (Passed, *os.File, error)
}
