package vm

import "time"

// epoch is what instants are counted from. It never changes.
var epoch = time.Now()

// instant is a point in time as nanoseconds of the monotonic clock since epoch, so that it fits into an atomic word and no step of the wall clock moves it.
// 0 stands for none.
type instant = int64

func instantOf(t time.Time) instant { return max(1, int64(t.Sub(epoch))) }

func timeOf(i instant) time.Time { return epoch.Add(time.Duration(i)) }
