package main_test

import (
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestCompletion checks that each shell gets a script, and that bash can read its own.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		res := runSpindle(t, ".", nil, "completion", shell)
		if res.code != 0 || !strings.Contains(res.stdout, "spindle") {
			t.Errorf("%s: exit code %d, %d bytes, %s", shell, res.code, len(res.stdout), res.stderr)
		}
		if shell != "bash" {
			continue
		}
		bash, err := exec.LookPath("bash")
		if err != nil {
			t.Log("no bash to read the script")
			continue
		}
		check := exec.Command(bash, "-n")
		check.Stdin = strings.NewReader(res.stdout)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("bash: %v\n%s", err, out)
		}
	}
}

// TestVersion checks the form of version's line.
func TestVersion(t *testing.T) {
	t.Parallel()
	res := runSpindle(t, ".", nil, "version")
	want := regexp.MustCompile(`^spindle \S+ \(go\S+, ` + runtime.GOOS + `/` + runtime.GOARCH + `\)\n$`)
	if res.code != 0 || !want.MatchString(res.stdout) || res.stderr != "" {
		t.Errorf("%+v", res)
	}
}
