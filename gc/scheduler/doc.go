// Package scheduler runs collections: work packets in ordered buckets, done by workers that steal from each other.
//
// Packets sit in buckets, one for each stage of a collection. All stages but the first open in their order, each when every packet of the
// earlier ones is done: that is, when all workers are parked and the open buckets are empty. Packets go into the bucket of their own stage or
// a later one.
//
// There is no coordinator (MMTk, PR 1067). The last worker to park holds the scheduler's lock and knows that nobody else
// can add packets during a collection; so it opens the next bucket, ends the collection, or turns to the next goal.
//
// Goals, by priority: collect, stop. A stop is a shutdown, or the preparation for a fork. Workers are goroutines which start
// at the first collection. When they stop, what they must keep stays in their Worker; Start brings them back with it, in a copy
// of the heap as well. Stop returns only when the goroutines have ended: a worker that merely handed its state back could hold a lock.
//
// Lock order: Scheduler.mu, then Worker.mu, then bucket.mu; nothing of the embedder is called with one of them held, but Config.Done with
// all workers parked and no lock held.
package scheduler
