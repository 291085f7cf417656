// Package serve is a prefork server: it starts a guest once, has it warm up to a point, freezes it there, and answers each request in a fresh fork, which has
// everything that the guest had made by then and shares its pages until it writes to them. docs/serve.md is for users.
//
// A request comes to the child as data: on standard input, the answer being what it prints (Protocol); or, if the guest is a
// server by itself, as a connection that it accepts (PointAccept).
//
// Goroutines of one request: the handler's own, which reads what the guest prints; one that waits for the guest's end; and those that package wasi has for streams
// that are not files. The handler leaves when the others have.
package serve
