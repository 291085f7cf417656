package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
	"github.com/spindle-wasm/spindle/wasi"
)

// Exit codes of the command itself. A guest's own exit code is passed on.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitTimeout     = 124 // as timeout(1)
	exitInterrupted = 130 // as a shell shows SIGINT
	exitTrap        = 134 // as a shell shows SIGABRT
)

// errInterrupted is the cause of a guest's end when the user pressed Ctrl-C.
var errInterrupted = errors.New("interrupted")

// fileError is an error about a file's contents, or its absence.
type fileError struct {
	file *file // nil if it could not be read
	name string
	err  error
}

func (e *fileError) Error() string { return e.name + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// fail tells the user what went wrong and returns the exit code.
func (a *app) fail(cmd *cobra.Command, err error) int {
	var (
		exit  *spindle.ExitError
		trap  *spindle.TrapError
		exc   *spindle.ExceptionError
		usage *usageError
		bug   *spindle.BugError
		in    *fileError
	)
	if !errors.As(err, &in) {
		in = &fileError{}
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
		return exitFailure
	case errors.As(err, &exit):
		return int(exit.Code)
	case errors.As(err, &bug):
		what, where, _ := strings.Cut(bug.Error(), "\n")
		a.sayInternal(what, where)
		return exitFailure
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &trap):
		if trap.Code == spindle.TrapInterrupted && errors.Is(err, context.DeadlineExceeded) {
			a.say("stopped: the guest ran longer than --timeout allows\n%s", backtrace(trap.Frames, in.file))
			return exitTimeout
		}
		a.say("%v%s\n%s", trap, inThread(trap.Thread), backtrace(trap.Frames, in.file))
		return exitTrap
	case errors.As(err, &exc):
		a.say("%v\n%s", exc, backtrace(exc.Backtrace(), in.file))
		return exitTrap
	case errors.Is(err, context.DeadlineExceeded):
		a.say("not done within --timeout")
		return exitTimeout
	case errors.As(err, &usage):
		path := "spindle"
		if cmd != nil {
			path = cmd.CommandPath()
		}
		a.say("%v\nSee '%s --help'.\n", err, path)
		return exitUsage
	}
	a.say("%s", describe(err))
	return exitFailure
}

// sayInternal shows a broken invariant of ours in one line; SPINDLE_DEBUG asks for more.
func (a *app) sayInternal(what, where string) {
	hint := "  (SPINDLE_DEBUG=1 in the environment shows where)"
	if os.Getenv("SPINDLE_DEBUG") != "" {
		hint = where
	}
	a.say("internal error, please report it: %s\n%s", what, hint)
}

// say writes to stderr, in the name of the command.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "spindle: %s\n", strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

// inThread names a thread other than the main one.
func inThread(tid uint32) string {
	if tid == 0 {
		return ""
	}
	return fmt.Sprintf(", in thread %d", tid)
}

// backtrace shows the guest's frames, innermost first, a run of equal ones once; of a text file with the lines.
func backtrace(frames []spindle.FrameInfo, f *file) string {
	var b strings.Builder
	for i := 0; i < len(frames); i++ {
		fr := frames[i]
		fmt.Fprintf(&b, "%4d: %s\n", i, describeFrame(fr, f))
		run := i
		for run+1 < len(frames) && frames[run+1] == fr {
			run++
		}
		if run > i+1 {
			fmt.Fprintf(&b, "      and %d more like it\n", run-i)
			i = run
		}
	}
	return b.String()
}

// describeFrame shows one frame; of a text file with the line.
func describeFrame(fr spindle.FrameInfo, f *file) string {
	name := fr.Name
	if fr.Module != "" {
		name = fr.Module + "!" + name
	}
	place := fmt.Sprintf("func %d, at %#x", fr.Func, fr.Offset)
	if p, ok := f.pos(fr.Offset); ok {
		place = fmt.Sprintf("%s:%v", f.name, p)
	}
	return fmt.Sprintf("%s (%s)", printable([]byte(name)), place)
}

// describe says in words what is wrong, with the place and, of text, the line.
func describe(err error) string {
	name := ""
	var f *file
	if fe := (*fileError)(nil); errors.As(err, &fe) {
		name, err, f = fe.name+": ", fe.err, fe.file
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		if errors.Is(err, syscall.EISDIR) {
			return path.Path + " is a directory, not a file"
		}
		return fmt.Sprintf("%s: %v", path.Path, path.Err)
	}
	switch e := err.(type) { //nolint:errorlint // what is in a fileError is not wrapped again
	case *spindle.SyntaxError:
		if f != nil {
			return inText(f, wat.Pos{Line: e.Line, Col: e.Col}, e.Msg)
		}
	case *spindle.ValidationError:
		if p, ok := f.pos(e.Offset); ok {
			return inText(f, p, "invalid module: "+e.Msg)
		}
		return name + err.Error() + inFunction(e.Func, f)
	case *spindle.MalformedError:
		return name + err.Error() + inFunction(e.Func, f)
	case *spindle.ImplementationLimitError:
		if p, ok := f.pos(e.Offset); ok {
			return inText(f, p, fmt.Sprintf("implementation limit: %s is %d, at most %d are supported", e.Limit, e.Got, e.Max))
		}
		return name + err.Error() + inFunction(e.Func, f)
	case *spindle.FeatureError:
		const hint = "\n  (--features and --disable-… say what a module may use)"
		if p, ok := f.pos(e.Offset); ok {
			return inText(f, p, fmt.Sprintf("%s needs the feature %s, which is off", e.What, e.Feature)) + hint[1:]
		}
		return name + err.Error() + inFunction(e.Func, f) + hint
	case *spindle.LinkError:
		if strings.HasPrefix(e.Msg, "unknown import") {
			return fmt.Sprintf("%s%v\n  (the command supplies %s and spectest)", name, err, wasi.ModuleName)
		}
	}
	return name + err.Error()
}

// inFunction names the function of an error, if it is in one.
func inFunction(fn int64, f *file) string {
	if fn < 0 || f == nil {
		return ""
	}
	return "\n  in function " + f.funcName(uint32(fn))
}

// inText points to a place in a text.
func inText(f *file, p wat.Pos, msg string) string {
	return fmt.Sprintf("%s:%v: %s\n%s", f.name, p, msg, excerpt(f.data, p.Line, p.Col))
}

// excerpt shows a line of a text, with a caret below the column. Tabs stay tabs, so that the caret stands right.
func excerpt(text []byte, line, col int) string {
	lines := bytes.Split(normalEOL(text), []byte("\n"))
	if line < 1 || line > len(lines) {
		return ""
	}
	const maxWidth = 100
	runes := []rune(printable(lines[line-1]))
	start := 0
	if col > maxWidth {
		start = col - maxWidth/2
	}
	var pad strings.Builder
	for i := start; i < col-1 && i < len(runes); i++ {
		if runes[i] == '\t' {
			pad.WriteByte('\t')
			continue
		}
		pad.WriteByte(' ')
	}
	shown, cut := runes[min(start, len(runes)):], ""
	if len(shown) > maxWidth {
		shown, cut = shown[:maxWidth], "…"
	}
	return fmt.Sprintf("  %s%s\n  %s^\n", string(shown), cut, pad.String())
}

// normalEOL makes all line ends of the text format (LF, CR, CR LF) LF.
func normalEOL(text []byte) []byte {
	if bytes.IndexByte(text, '\r') < 0 {
		return text
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

// printable replaces what a terminal might act upon, character by character.
func printable(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r != '\t' && !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		s.WriteRune(r)
		b = b[n:]
	}
	return s.String()
}

// funcName names a function of the file's module as well as can be.
func (f *file) funcName(fn uint32) string {
	if f.bin != nil {
		if m, err := wasm.Decode(f.bin, wasm.DecodeOptions{Features: spindle.AllFeatures}); err == nil && int(fn) < len(m.Funcs) {
			if name := m.Names().Funcs[fn]; name != "" {
				return fmt.Sprintf("$%s (index %d)", printable([]byte(name)), fn)
			}
		}
	}
	return fmt.Sprintf("%d", fn)
}
