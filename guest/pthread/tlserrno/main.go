package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: tlserrno in.a out.a")
		os.Exit(2)
	}
	if err := convert(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "tlserrno:", err)
		os.Exit(1)
	}
}

func convert(from, to string) error {
	in, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	out, n, err := archive(in)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	fmt.Fprintf(os.Stderr, "tlserrno: %s: %d accesses\n", from, n)
	return os.WriteFile(to, out, 0o644)
}

// The archive format of System V and GNU: a magic line, then members, each with a header of 60 bytes, padded to even lengths.
const (
	magic      = "!<arch>\n"
	headerSize = 60
	sizeAt     = 48 // ten decimal digits
)

// archive converts all objects of an archive, and counts the accesses replaced. The index of symbols is left out.
func archive(in []byte) (out []byte, accesses int, err error) {
	if !bytes.HasPrefix(in, []byte(magic)) {
		return nil, 0, errors.New("not an archive")
	}
	out = append(out, magic...)
	for at := len(magic); at < len(in); {
		if len(in)-at < headerSize {
			return nil, 0, fmt.Errorf("offset %d: not a header", at)
		}
		header := bytes.Clone(in[at : at+headerSize])
		name := strings.TrimSpace(string(header[:16]))
		size, err := strconv.Atoi(strings.TrimSpace(string(header[sizeAt : sizeAt+10])))
		at += headerSize
		if err != nil || size < 0 || size > len(in)-at {
			return nil, 0, fmt.Errorf("offset %d: no size of a member", at)
		}
		member := in[at : at+size]
		at += size + size%2
		if name == "/" || name == "/SYM64/" {
			continue
		}
		if bytes.HasPrefix(member, []byte("\x00asm")) {
			changed, n, err := object(member)
			if err != nil {
				return nil, 0, fmt.Errorf("member %s before offset %d: %w", name, at, err)
			}
			member, accesses = changed, accesses+n
		}
		copy(header[sizeAt:], fmt.Sprintf("%-10d", len(member)))
		out = append(append(out, header...), member...)
		if len(member)%2 != 0 {
			out = append(out, '\n')
		}
	}
	return out, accesses, nil
}
