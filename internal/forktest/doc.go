// Package forktest is what tests of forks share: guests with all that a fork must carry over, the ways in which an image becomes a running Process
// (Transport), and the comparison of what runs did. Its own tests are the conformance suite: every guest, frozen at safepoints that are counted, over every
// transport and in every mode, goes on to what it does when nobody forks it.
//
// A transport is a row of Transports. One that goes to another OS process re-executes the test's binary: TestMain of such a package calls Main first.
package forktest
