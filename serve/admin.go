package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Admin serves what is for whoever runs the Server, and for nobody else: it has no password, and names requests.
//
//	GET  /          the status page
//	GET  /status    the same as JSON
//	GET  /metrics   Metrics
//	POST /refork    Refork: answers when it is done, with the generation as JSON; to a browser's form at once, with the way back to the page
//
// Pages of other origins cannot post.
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.statusPage)
	mux.HandleFunc("GET /part", s.statusPart)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.state()) })
	mux.Handle("GET /metrics", s.Metrics())
	mux.HandleFunc("POST /refork", s.serveRefork)
	return http.NewCrossOriginProtection().Handler(mux)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone
}

// serveRefork is POST /refork.
func (s *Server) serveRefork(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		s.reforkLater()
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	g, err := s.Refork(r.Context())
	var told struct {
		Generation
		Error string `json:"error,omitempty"`
	}
	told.Generation = g
	status := http.StatusOK
	if err != nil {
		told.Error = err.Error()
		if status = http.StatusBadGateway; !errors.Is(err, ErrReforkFailed) {
			status = http.StatusServiceUnavailable
		}
	}
	writeJSON(w, status, told)
}

// reforkLater is Refork that nobody waits for. It ends with the Server.
func (s *Server) reforkLater() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen != nil && len(s.refork.waiting) == 0 {
		s.refork.waiting[make(chan reforked, 1)] = struct{}{}
	}
}

// ReforkOn has each value of a channel call for a refork, as Refork does, until ctx is done: for signals. The log tells what came of it.
func ReforkOn[T any](ctx context.Context, s *Server, ch <-chan T) {
	for {
		select {
		case <-ch:
			s.reforkLater()
			s.cfg.Log.Info("refork wanted") // not before: whoever reads it may count on the next request
		case <-ctx.Done():
			return
		}
	}
}
