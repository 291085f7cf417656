// Package vfs is what the WASI layer demands of a file system, a stream or a socket: the interfaces, their error numbers, and
// the path resolution that backends without a host's own share. Backends: hostfs, memfs, iofs, and stream for everything
// that can make a guest wait.
//
// Invariants
//   - No method blocks for longer than a disk may take. A Stream that has nothing to give returns EAGAIN; the caller waits on
//     Notify, together with whatever may interrupt it.
//   - Paths are relative, separated by slashes, checked by CheckPath, and never leave the directory that they start at: neither by "..",
//     nor by a symbolic link, nor by a race with a rename. What would leave fails with EPERM.
//   - A path that ends in a slash names a directory; resolution follows a symbolic link there, as POSIX 4.16 says.
//   - Everything is safe for concurrent use. Close is called once, when no other call is in flight.
//   - Read returns 0 and no error at the end of a file.
package vfs
