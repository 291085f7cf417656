// Package trace writes what collections do as events that trace viewers show: Perfetto, or Chrome's about:tracing. The format is the JSON array
// of the Trace Event Format: complete events ("ph": "X") with times in microseconds, one line for each worker, one for the collections.
package trace

import (
	"bufio"
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Writer writes the events of one heap. It is safe for concurrent use. Its methods keep the first error of the underlying writer; Close returns it.
type Writer struct {
	mu    sync.Mutex
	w     *bufio.Writer // guarded by mu
	first bool          // guarded by mu; nothing is written yet
	start time.Time
	err   error // guarded by mu
}

// New makes a Writer whose times count from now.
func New(w io.Writer) *Writer {
	return &Writer{w: bufio.NewWriter(w), first: true, start: time.Now()}
}

type event struct {
	Name string         `json:"name"`
	Ph   string         `json:"ph"`
	Pid  int            `json:"pid"`
	Tid  int            `json:"tid"`
	Ts   float64        `json:"ts"`
	Dur  float64        `json:"dur"`
	Args map[string]any `json:"args,omitempty"`
}

// Packet notes a packet that a worker did. Workers count from 0; line 0 of the trace is the collections'.
func (w *Writer) Packet(worker int, name string, start time.Time, took time.Duration) {
	w.write(event{Name: name, Tid: worker + 1, Ts: w.at(start), Dur: micros(took)})
}

// Span notes something that is not a worker's, such as a collection or a pause.
func (w *Writer) Span(name string, start time.Time, took time.Duration, args map[string]any) {
	w.write(event{Name: name, Ts: w.at(start), Dur: micros(took), Args: args})
}

func (w *Writer) at(t time.Time) float64 { return micros(t.Sub(w.start)) }

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func (w *Writer) write(e event) {
	e.Ph, e.Pid = "X", 1
	b, err := json.Marshal(e)
	w.mu.Lock()
	defer w.mu.Unlock()
	sep := ",\n"
	if w.first {
		sep, w.first = "[\n", false
	}
	w.note(err)
	_, err = w.w.WriteString(sep)
	w.note(err)
	_, err = w.w.Write(b)
	w.note(err)
}

func (w *Writer) note(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Close ends the array. Viewers also read a trace that was never closed. The Writer must not be used any more.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := "\n]\n"
	if w.first {
		end = "[]\n"
	}
	_, err := w.w.WriteString(end)
	w.note(err)
	w.note(w.w.Flush())
	return w.err
}
