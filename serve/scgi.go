package serve

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// Protocol is the form of requests on a child's standard input. Answers may be HTTP messages or headers as CGI has them with both.
type Protocol string

// The protocols.
const (
	HTTP Protocol = "http"
	// SCGI has a netstring of variables as CGI's, and then the body. A request whose body has no length gets 411.
	SCGI Protocol = "scgi"
)

// Requests that SCGI has no form for.
var (
	errNoLength = errors.New("the request does not say how long its body is, which SCGI has to")
	errZeroByte = errors.New("the request has a zero byte in it, which SCGI cannot tell")
)

// scgi makes the head of an SCGI request (https://python.ca/scgi/protocol.txt) with the variables of RFC 3875, section 4.1.
func scgi(r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 {
		return nil, errNoLength
	}
	var b bytes.Buffer
	bad := false
	put := func(name, v string) {
		bad = bad || strings.IndexByte(v, 0) >= 0
		b.WriteString(name + "\x00" + v + "\x00")
	}
	put("CONTENT_LENGTH", strconv.FormatInt(r.ContentLength, 10)) // the first one, by the protocol
	put("SCGI", "1")
	put("REQUEST_METHOD", r.Method)
	put("REQUEST_URI", r.RequestURI)
	put("SCRIPT_NAME", "")
	put("PATH_INFO", r.URL.Path)
	put("QUERY_STRING", r.URL.RawQuery)
	put("GATEWAY_INTERFACE", "CGI/1.1")
	put("SERVER_PROTOCOL", r.Proto)
	put("SERVER_SOFTWARE", "spindle")
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, "80"
	}
	put("SERVER_NAME", host)
	put("SERVER_PORT", port)
	if host, port, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		put("REMOTE_ADDR", host)
		put("REMOTE_PORT", port)
	}
	if v := r.Header["Content-Type"]; len(v) > 0 {
		put("CONTENT_TYPE", v[0])
	}
	put("HTTP_HOST", r.Host)
	for _, name := range endToEnd(r.Header) {
		// Proxy would become HTTP_PROXY, which programs take for a setting; an underscore could stand for a hyphen that a proxy has checked.
		if name == "Content-Length" || name == "Content-Type" || name == "Proxy" || strings.Contains(name, "_") {
			continue
		}
		sep := ", "
		if name == "Cookie" {
			sep = "; "
		}
		put("HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), strings.Join(r.Header[name], sep))
	}
	if bad {
		return nil, errZeroByte
	}
	return fmt.Appendf(nil, "%d:%s,", b.Len(), b.Bytes()), nil
}
