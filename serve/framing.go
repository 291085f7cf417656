package serve

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
)

// framing finds the requests whose end another server may see elsewhere: those with a Content-Length and a Transfer-Encoding, and those of HTTP/1.0 with a
// Transfer-Encoding. RFC 9112, section 6.1, has them answered at most, and then the connection closed: what follows may be what somebody smuggles. net/http answers
// them and takes the header out that it does not go by; so the headers are counted as they come in, and those that net/http tells of taken off.
//
// A line of a body can look like such a header, and a request that has come early has its own. Then a connection is closed that could stay; never the other way round.
type framing struct {
	net.Conn

	// Of the line that comes in; Read's, of which net/http has one at a time.
	name [len("transfer-encoding")]byte
	n    int  // of name
	skip bool // it is not the name of a header of interest

	lengths, encodings atomic.Int64 // headers that came in and that no handler has taken off
}

// framed has the connections of a listener watched.
type framed struct{ net.Listener }

func (l framed) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framing{Conn: c}, nil
}

// Read implements net.Conn.
func (f *framing) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	f.scan(p[:n])
	return n, err
}

// CloseWrite ends one direction: net/http does so, where it can, before it closes, lest a client that still sends loses its answer.
func (f *framing) CloseWrite() error {
	if c, ok := f.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// scan counts the headers in what came in. Names have no space before the colon, and lines end with a newline: net/http refuses all else.
func (f *framing) scan(b []byte) {
	for len(b) > 0 {
		if f.skip {
			end := bytes.IndexByte(b, '\n')
			if end < 0 {
				return
			}
			b, f.n, f.skip = b[end+1:], 0, false
			continue
		}
		switch c := b[0]; {
		case c == '\n':
			f.n = 0
		case c == ':':
			f.count(string(f.name[:f.n]))
			f.skip = true
		case f.n == len(f.name):
			f.skip = true
		default:
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			f.name[f.n] = c
			f.n++
		}
		b = b[1:]
	}
}

func (f *framing) count(name string) {
	switch name {
	case "content-length":
		f.lengths.Add(1)
	case "transfer-encoding":
		f.encodings.Add(1)
	}
}

// framingKey is under what the context of a request has the framing of its connection.
type framingKey struct{}

// ambiguous reports whether a request is one of those. It is to be asked once for each, in their order. Where somebody else's server calls the handler, that server is to see to it.
func ambiguous(ctx context.Context, r *http.Request) bool {
	f, _ := ctx.Value(framingKey{}).(*framing)
	if f == nil {
		return false
	}
	if len(r.Header["Content-Length"]) > 0 {
		f.lengths.Add(-1)
	}
	chunked := slices.Contains(r.TransferEncoding, "chunked")
	if chunked {
		f.encodings.Add(-1)
	}
	return chunked && f.lengths.Load() > 0 || !r.ProtoAtLeast(1, 1) && f.encodings.Load() > 0
}
