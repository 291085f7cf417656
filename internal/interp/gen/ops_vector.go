package main

// vectors: v128 arithmetic, on two slots each.
func vectors() {}
