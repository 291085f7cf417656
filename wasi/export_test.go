package wasi

// Settled is settled for tests from outside.
var Settled = settled
