package tutorial_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "put the code as it is into the pages")

const root = "../.."

func pages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(root + "/docs/gc/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pages: %v", len(files), err)
	}
	return files
}

// A page quotes code by a comment that names a file and declarations in it, before the code:
//
//	<!-- gc/tutorial/space.go: Space, Space.Trace -->
var quote = regexp.MustCompile("(?s)<!-- (\\S+\\.go): ([^>]*) -->\n```go\n(.*?)\n?```\n")

// The pages quote the code as it is. Run with -update after a change of the code, and read whether the text still says what it does.
func TestQuotes(t *testing.T) {
	quotes := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if marks, whole := strings.Count(string(text), ".go: "), len(quote.FindAll(text, -1)); marks != whole {
			t.Errorf("%s: %d marks, and code behind %d of them", page, marks, whole)
		}
		now := quote.ReplaceAllStringFunc(string(text), func(old string) string {
			quotes++
			m := quote.FindStringSubmatch(old)
			code, err := declarations(filepath.Join(root, m[1]), strings.Split(m[2], ", "))
			if err != nil {
				t.Errorf("%s: %v", page, err)
				return old
			}
			if code != m[3] && !*update {
				t.Errorf("%s: %s in %s is not what it is in the page; see -update", page, m[2], m[1])
			}
			return fmt.Sprintf("<!-- %s: %s -->\n```go\n%s\n```\n", m[1], m[2], code)
		})
		if *update && now != string(text) {
			if err := os.WriteFile(page, []byte(now), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if quotes == 0 {
		t.Error("no page quotes anything")
	}
}

// declarations returns the text of declarations of a file, with their comments: functions, methods as Type.Method, and whatever group a type, constant
// or variable is in.
func declarations(file string, names []string) (string, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, src, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var found []string
	for _, name := range names {
		code := ""
		for _, d := range f.Decls {
			if declares(d, name) {
				from := d.Pos()
				if doc := comment(d); doc != nil {
					from = doc.Pos()
				}
				code = string(src[set.Position(from).Offset:set.Position(d.End()).Offset])
			}
		}
		if code == "" {
			return "", fmt.Errorf("%s declares no %s", file, name)
		}
		found = append(found, code)
	}
	return strings.Join(found, "\n\n"), nil
}

func comment(d ast.Decl) *ast.CommentGroup {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Doc
	case *ast.GenDecl:
		return d.Doc
	}
	return nil
}

func declares(d ast.Decl, name string) bool {
	switch d := d.(type) {
	case *ast.FuncDecl:
		own := d.Name.Name
		if d.Recv != nil {
			typ := d.Recv.List[0].Type
			if p, ok := typ.(*ast.StarExpr); ok {
				typ = p.X
			}
			own = fmt.Sprint(typ) + "." + own
		}
		return own == name
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.Name == name {
					return true
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.Name == name {
						return true
					}
				}
			}
		}
	}
	return false
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// What the pages link to in the repository is there.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// So is every file and package that they name in code style.
func TestNames(t *testing.T) {
	name := regexp.MustCompile("`((?:gc|examples|internal)/[a-z0-9_./-]*[a-z0-9_])`")
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
