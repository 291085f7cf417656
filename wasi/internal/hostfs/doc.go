// Package hostfs is directories of the host, through os.Root: each open directory has a Root of its own, so that no path,
// symbolic link or rename race leads out of it, and it stays the directory that it was opened as when it is renamed.
//
// What os.Root cannot say is added without leaving that ground: on Unix, operations that must not follow a link in the last
// component, or need two directories, open the directory that holds it through the Root and then name a single component below that
// descriptor (parent). On Linux, openat2 with RESOLVE_BENEATH stands in for the Root where it is there (beneath_linux.go); no other
// system call here takes a path with a slash in it.
package hostfs
