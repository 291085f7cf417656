//go:build unix

package main_test

import (
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestServe checks a server from its start to SIGTERM.
func TestServe(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"stdin", "fork-point", "export:serve"} {
		cmd := exec.Command(builtBinary, "serve", "--http", "127.0.0.1:0", "--at", at, "../../serve/testdata/app.wat")
		_, stderr := start(t, cmd)
		var addr string
		for addr == "" {
			line, err := stderr.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if m := regexp.MustCompile(`msg=listening http=(\S+)`).FindStringSubmatch(line); m != nil {
				addr = m[1]
			}
		}
		for range 3 {
			resp, err := http.Post("http://"+addr+"/echo", "text/plain", strings.NewReader("a body"))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(string(b), "BPOST /echo") || !strings.HasSuffix(string(b), "a body") {
				t.Errorf("%s: %v, status %d, %q", at, err, resp.StatusCode, b)
			}
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(stderr)
		if err := cmd.Wait(); err != nil || strings.Count(string(rest), "msg=request") != 3 || !strings.Contains(string(rest), "msg=stopping") {
			t.Errorf("%s: it ended with %v: %s", at, err, rest)
		}
	}
}
