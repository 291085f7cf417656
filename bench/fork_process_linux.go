package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spindle-wasm/spindle"
	"golang.org/x/sys/unix"
)

// clock is the same in all processes.
func clock() (time.Duration, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano()), err
}

// serveStandby is for processes of this program that were started for children. Theirs is a guest that is named after the pipe in which it tells when it began.
func serveStandby() {
	spindle.ServeStandby(spindle.StandbyHost{Imports: func(name string, _ []*spindle.Module) (spindle.Imports, error) {
		pipe, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		return spindle.Imports{"bench": spindle.HostModule{"next": spindle.Func0(func(c *spindle.Caller) int32 {
			at, err := clock()
			if err == nil {
				_, err = pipe.Write(binary.LittleEndian.AppendUint64(nil, uint64(at)))
			}
			if err != nil {
				c.Fail(err)
			}
			return endOfGuest
		})}}, nil
	}})
}

// processes has children in processes of their own: from one that waits, and from none.
func (b *forkBench) processes(ctx context.Context) (rows []*Row, err error) {
	g, err := newForkGuest(ctx, b.mib, 0)
	if err != nil {
		return nil, err
	}
	defer g.rt.Close()
	name := filepath.Join(b.tmp, "began")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		return nil, os.NewSyscallError("mkfifo", err)
	}
	began, err := os.OpenFile(name, os.O_RDWR, 0) // both ends, so that nobody waits for the other
	if err != nil {
		return nil, err
	}
	defer began.Close()
	_, img, _, err := g.freeze(ctx, func(cfg spindle.Config) (*spindle.Process, error) {
		cfg.Name = name
		return g.rt.Start(ctx, g.mod, cfg)
	})
	if err != nil {
		return nil, err
	}
	defer img.Close()
	standbys, err := spindle.NewStandbys(spindle.StandbysConfig{Size: 2})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, standbys.Close()) }()
	few := max(1, b.batch/2)
	for _, t := range []struct {
		name string
		pool *spindle.Standbys
		note string
	}{{"a process that waits", standbys, "bar 300 µs"}, {"a new process", nil, "bar 5 ms"}} {
		ours := func(ctx context.Context) (times []time.Duration, cpu time.Duration, err error) {
			for range few {
				if t.pool != nil {
					if err := t.pool.Warm(ctx, img); err != nil {
						return nil, 0, err
					}
				}
				took, err := processFork(ctx, img, t.pool, began)
				if err != nil {
					return nil, 0, err
				}
				times = append(times, took)
			}
			return times, 0, nil
		}
		s, err := takeTurns(ctx, b.runs, ours, b.peer.batch("first", b.mib, 0, few), b.peer.batch("first", b.mib, 1, few))
		if err != nil {
			return nil, err
		}
		rows = append(rows, &Row{Name: fmt.Sprintf("%d MiB frozen: fork into %s → first instruction", b.mib, t.name), Samples: s, Note: t.note})
	}
	return rows, nil
}

// processFork measures from the fork to what the child tells in the pipe.
func processFork(ctx context.Context, img *spindle.Image, pool *spindle.Standbys, began *os.File) (time.Duration, error) {
	begin, err := clock()
	if err != nil {
		return 0, err
	}
	c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Standbys: pool})
	if err != nil {
		return 0, err
	}
	if err := c.Wait(ctx); err != nil {
		return 0, errors.Join(err, c.Close())
	}
	var at [8]byte // the child has ended, so it is there
	if _, err := began.Read(at[:]); err != nil {
		return 0, err
	}
	return time.Duration(binary.LittleEndian.Uint64(at[:])) - begin, c.Close()
}
