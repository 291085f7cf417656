// Package wasi gives guests WASI preview 1: arguments, environment, clocks, randomness, files, streams and sockets. It is written
// against the public API of package spindle alone.
//
//	p, err := wasi.Start(ctx, rt, mod, wasi.Config{
//		Args: []string{"prog", "-v"}, Stdout: os.Stdout, Stderr: os.Stderr,
//		Mounts: []wasi.Mount{{Guest: "/data", Host: dir, ReadOnly: true}, {Guest: "/tmp", Mem: wasi.NewMemFS(0)}},
//	}, spindle.Config{})
//
// A [System] is the state of one Process, and is closed with it. Modules that are not programs import it like any other
// module: spindle.Imports{wasi.ModuleName: sys}.
//
// # What a guest can reach
//
// Nothing but what [Config] names. A path is relative to an open directory and never leaves it: not by "..", an absolute path, a symbolic
// link, or a race with a rename; that fails with EPERM. This holds for each directory that the guest opens below a mount, too: it
// stays what it was when it is renamed. Symbolic links with absolute targets can be neither made nor followed. Rights are reported as
// libraries expect them and enforced where fd_fdstat_set_rights took them away, besides reading and writing, which a file
// must have been opened for.
//
// # Waiting
//
// Every call that waits (a read from a pipe, terminal or socket, a write to one, poll_oneoff, sock_accept) ends at once when the guest is
// stopped, and with EBADF when another thread closes the descriptor that it waits on or has fd_renumber replace it; one that is moved is waited on
// under its new number. A read that is given up loses no bytes; a write that had written a part returns that. Opening never waits:
// a FIFO that nobody reads cannot be opened for writing (ENXIO), and one that nobody writes to yet is waited for when it is read.
// What takes as long as a disk takes (reads and writes of regular files, fd_sync) is not cut short.
//
// # Threads
//
// All calls may be made by several guest threads at the same time. Arguments that lie in guest memory are read once, into copies that
// are checked; other threads may change the original meanwhile.
//
// The lock discipline: fdTable.mu guards which number means which description, and is held for that only, never during a
// call on a file. A call takes a reference to the description and a pin on the number, and holds both until it returns: the file is closed when its last user
// has left, and a number is not given out again while a call made with it is in flight. A call that opens something keeps a number for it
// first, so that nothing is created, emptied or accepted that has no number. fd_renumber changes both of its numbers in one
// critical section. desc.mu guards who is to be woken when the description is closed, and changes of its flags. Files lock for themselves, and below
// everything here; nothing is locked while a call waits.
package wasi
