// Package realworld holds tests that run other people's programs under the
// spindle command, as a user would: Go's standard library tests compiled to
// wasip1, esbuild, and CRuby by way of examples/ruby.
//
// They need more than the repository: a Go toolchain with its sources, and for
// esbuild and Ruby the npm client and a registry (or a filled cache, see
// package fetch). What is missing skips the test, with the reason. With -short
// all are skipped. By default a few of Go's packages run; with
// SPINDLE_REALWORLD=all in the environment, all of the list.
package realworld
