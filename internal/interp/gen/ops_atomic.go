package main

// atomics: the threads proposal.
func atomics() {}
