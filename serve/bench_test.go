package serve

import (
	"net/http/httptest"
	"testing"

	spindle "github.com/spindle-wasm/spindle"
)

// BenchmarkRequest is a request without network: fork, request in, answer out, child closed.
func BenchmarkRequest(b *testing.B) {
	for _, at := range points {
		b.Run(string(at), func(b *testing.B) {
			rt := spindle.NewRuntime()
			defer rt.Close()
			mod, err := rt.CompileText(b.Context(), read(b, "testdata/app.wat"))
			if err != nil {
				b.Fatal(err)
			}
			s, err := New(b.Context(), rt, mod, Config{At: at})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			for b.Loop() {
				rec := httptest.NewRecorder()
				if s.ServeHTTP(rec, httptest.NewRequest("GET", "/c", nil)); rec.Code != 404 {
					b.Fatal(rec.Code)
				}
			}
		})
	}
}
