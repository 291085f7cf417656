package serve

import (
	"io"
	"strconv"
	"strings"
	"testing"
)

// A request comes as a netstring of variables, and its body.
func TestSCGI(t *testing.T) {
	_, web := start(t, Config{Protocol: SCGI})
	resp, got, err := get(t, web, "POST", "/e%20f/g?h=i", strings.NewReader("the body"))
	if err != nil || resp.StatusCode != 200 || len(got) == 0 {
		t.Fatalf("%v, status %d, %q", err, resp.StatusCode, got)
	}
	count, rest, _ := strings.Cut(got[1:], ":")
	n, err := strconv.Atoi(count)
	if err != nil || n >= len(rest) || rest[n] != ',' || rest[n+1:] != "the body" {
		t.Fatalf("%v: %q", err, got)
	}
	fields := strings.Split(strings.TrimSuffix(rest[:n], "\x00"), "\x00")
	if len(fields)%2 != 0 || fields[0] != "CONTENT_LENGTH" {
		t.Fatalf("%q", fields)
	}
	vars := map[string]string{}
	for i := 0; i < len(fields); i += 2 {
		if _, twice := vars[fields[i]]; twice {
			t.Errorf("%s is there twice", fields[i])
		}
		vars[fields[i]] = fields[i+1]
	}
	for name, want := range map[string]string{
		"CONTENT_LENGTH": "8", "SCGI": "1", "REQUEST_METHOD": "POST", "REQUEST_URI": "/e%20f/g?h=i", "PATH_INFO": "/e f/g", "QUERY_STRING": "h=i",
		"REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_ACCEPT_ENCODING": "gzip", "HTTP_HOST": web.Listener.Addr().String(),
	} {
		if vars[name] != want {
			t.Errorf("%s is %q, want %q", name, vars[name], want)
		}
	}
	if resp, _, _ := get(t, web, "POST", "/e", struct{ io.Reader }{strings.NewReader("x")}); resp.StatusCode != 411 {
		t.Errorf("a body without length: status %d", resp.StatusCode)
	}
	if resp, _, _ := get(t, web, "GET", "/e%00", nil); resp.StatusCode != 400 {
		t.Errorf("a zero byte: status %d", resp.StatusCode)
	}
}
