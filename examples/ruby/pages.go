package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// pages is memory that is resident, in KiB as proc(5) counts.
type pages struct {
	resident int
	private  int // of that: no file's, or written to since it was mapped
}

// errNoPages means a system without /proc/self/smaps.
var errNoPages = errors.New("only Linux tells which pages are shared")

// guestPages counts the linear memories of forked guests: mappings of a file in memory that is an image, and what they have grown by behind that. all is of the
// whole program, Go's heap and guests' stacks included.
func guestPages() (guests, all pages, err error) {
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return guests, all, errors.Join(errNoPages, err)
	}
	var of bool      // the mapping is a guest's
	var until string // the end of the last one that was
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		f := strings.Fields(sc.Text())
		if len(f) < 2 {
			continue
		}
		if from, to, ok := strings.Cut(f[0], "-"); ok && !strings.HasSuffix(f[0], ":") {
			image := strings.Contains(sc.Text(), "/memfd:spindle") && f[1] == "rw-p"
			of = image || from == until && f[1] == "rw-p" && len(f) == 5
			if until = ""; of {
				until = to
			}
			continue
		}
		n, err := strconv.Atoi(f[1])
		if err != nil {
			continue // VmFlags
		}
		count := func(p *pages) {
			switch f[0] {
			case "Rss:":
				p.resident += n
			case "Anonymous:":
				p.private += n
			}
		}
		if count(&all); of {
			count(&guests)
		}
	}
	return guests, all, nil
}

func (p pages) minus(q pages) pages { return pages{p.resident - q.resident, p.private - q.private} }

func (p pages) String() string {
	return fmt.Sprintf("%d KiB, of which %d private", p.resident, p.private)
}
