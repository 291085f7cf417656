package spindle

import (
	"context"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/standby"
)

// PIDs are the processes that wait.
func (s *Standbys) PIDs() (pids []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.idle {
		pids = append(pids, p.proc.PID())
	}
	return pids
}

// StandbyMessage is the message that an image goes to another process as. Its files are the image's.
func (i *Image) StandbyMessage() (*standby.Message, error) { return i.pass() }

// ServeStandbyOn is what a standby process does, in this one. It also returns how many regions are left.
func ServeStandbyOn(conn *standby.Conn, host StandbyHost) (code, regions int, err error) {
	s := &standbyServer{conn: conn, host: host, orphaned: func() {}, session: func() error { return nil }}
	code, err = s.serve(context.Background())
	if s.rt != nil {
		regions = s.rt.LiveRegions()
	}
	return code, regions, err
}

// WireError returns an error as it comes back from another process.
func WireError(err error) (error, error) {
	var w image.Encoder
	writeError(&w, err, 0)
	return ReadWireError(w.Bytes())
}

// ReadWireError reads bytes as an error, and tells what is wrong with them.
func ReadWireError(b []byte) (err, bad error) {
	d := image.NewDecoder(b, 0)
	err = readError(d, 0)
	d.End()
	return err, d.Err()
}

// StandbyFork is the body of a message that asks for a child, with options for "wire" or none.
func StandbyFork(name string, options bool) []byte {
	f := passedFork{name: name, call: "_start", args: []uint64{1}}
	if options {
		f.options = []passedOptions{{module: "wire"}}
	}
	var w image.Encoder
	f.write(&w)
	return w.Bytes()
}
