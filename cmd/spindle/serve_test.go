//go:build unix

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// logged reads the log up to a line that has something, and returns what its groups are.
func logged(t *testing.T, stderr *bufio.Reader, expr string) []string {
	t.Helper()
	for {
		line, err := stderr.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(expr).FindStringSubmatch(line); m != nil {
			return m[1:]
		}
	}
}

// TestServe checks a server from its start to SIGTERM.
func TestServe(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"stdin", "fork-point", "export:serve"} {
		cmd := exec.Command(builtBinary, "serve", "--http", "127.0.0.1:0", "--at", at, "../../serve/testdata/app.wat")
		_, stderr := start(t, cmd)
		addr := logged(t, stderr, `msg=listening http=(\S+)`)[0]
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

// TestServeStopsAtOnce: a second signal ends a server that waits for a request.
func TestServeStopsAtOnce(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(builtBinary, "serve", "--http", "127.0.0.1:0", "../../serve/testdata/app.wat")
	_, stderr := start(t, cmd)
	at := logged(t, stderr, `msg=listening http=(\S+)`)[0]
	resp, err := http.Get("http://" + at + "/L") // its head; the body never comes
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	terminate := func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	terminate()
	logged(t, stderr, "msg=stopping")
	terminate()
	_ = cmd.Wait()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
}

// TestServeRefork forks anew by SIGHUP, by POST and by count. /n answers with a letter for the number of requests that its guest has had.
func TestServeRefork(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(builtBinary, "serve", "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--refork-after", "5", "../../serve/testdata/app.wat")
	_, stderr := start(t, cmd)
	at := logged(t, stderr, `msg=listening http=(\S+) metrics=(\S+)`)
	ask := func(want string) {
		t.Helper()
		resp, err := http.Get("http://" + at[0] + "/n")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != want {
			t.Errorf("%v, %q, want %q", err, b, want)
		}
	}
	ask("B")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	logged(t, stderr, `msg="refork wanted"`)
	ask("B")
	logged(t, stderr, `msg=reforked generation=1 served=1`)
	for range 5 {
		ask("C")
	}
	ask("C")
	logged(t, stderr, `msg=reforked generation=2 served=2`)
	ask("D")
	posted := make(chan error, 1)
	go func() {
		resp, err := http.Post("http://"+at[1]+"/refork", "", nil)
		if err == nil {
			var b []byte
			b, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if !strings.Contains(string(b), `"number":3`) {
				err = fmt.Errorf("status %d, %s", resp.StatusCode, b)
			}
		}
		posted <- err
	}()
	for wanted := false; !wanted; {
		resp, err := http.Get("http://" + at[1] + "/status")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		wanted = strings.Contains(string(b), `"refork_waits":true`)
	}
	ask("D")
	if err := <-posted; err != nil {
		t.Error(err)
	}
	ask("E")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(stderr)
	if err := cmd.Wait(); err != nil || !strings.Contains(string(rest), "msg=stopping") {
		t.Errorf("it ended with %v: %s", err, rest)
	}
}
