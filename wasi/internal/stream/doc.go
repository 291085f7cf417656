// Package stream has the files that can make a guest wait: pipes, terminals, devices and sockets of the host, and any io.Reader,
// io.Writer, net.Conn and net.Listener.
//
// Nothing here blocks its caller. Where the host can say whether a file is ready (Unix), reads and writes go to it when it
// is, and one goroutine of a Hub polls for all guest threads that wait, so that any number of them costs one OS thread. What
// cannot say so has a goroutine for the duration of one read or write; a guest that stops waiting leaves the bytes to the next read.
//
// Lock order: a stream's own lock, then Hub.mu.
package stream
