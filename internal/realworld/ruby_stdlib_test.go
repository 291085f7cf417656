package realworld

import (
	"bytes"
	"compress/zlib"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
	"unicode/utf16"
)

// stdlibInput is what testdata/ruby/stdlib.rb reads. Byte slices are base64.
type stdlibInput struct {
	Data     []byte    `json:"data"`
	Deflated []byte    `json:"deflated"`
	Floats   []float64 `json:"floats"`
	Days     []int     `json:"days"`
}

// stdlibReport is what it prints.
type stdlibReport struct {
	SHA256    string      `json:"sha256"`
	SHA512    string      `json:"sha512"`
	MD5       string      `json:"md5"`
	CRC32     uint32      `json:"crc32"`
	Adler32   uint32      `json:"adler32"`
	Inflated  string      `json:"inflated"`
	Deflated  []byte      `json:"deflated"`
	YAML      bool        `json:"yaml"`
	Floats    [][5]string `json:"floats"`
	Weekdays  []string    `json:"weekdays"`
	Factorial string      `json:"factorial"`
	Power     string      `json:"power"`
	Sorted    []int       `json:"sorted"`
	ERB       string      `json:"erb"`
	Tokens    []string    `json:"tokens"`
	Encoded   int         `json:"encoded"`
}

// TestRubyStandardLibrary has CRuby's C extensions work on random data, and
// does the same with Go's standard library.
func TestRubyStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	in := stdlibInput{Data: make([]byte, 20000)}
	for i := range in.Data {
		// Skewed bytes with repeats, so that deflate has something to find.
		in.Data[i] = byte(r.IntN(1 + r.IntN(200)))
		if i > 100 && r.IntN(3) > 0 {
			in.Data[i] = in.Data[i-97]
		}
	}
	in.Deflated = deflate(t, in.Data)
	for range 200 {
		in.Floats = append(in.Floats, math.Ldexp(r.Float64()-0.5, r.IntN(120)-60))
		in.Days = append(in.Days, r.IntN(80000)-10000)
	}
	stdin, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	out := ruby(t, string(stdin), filepath.Join("testdata", "ruby", "stdlib.rb"))
	if out.code != 0 {
		t.Fatal(out.tail())
	}
	var got stdlibReport
	if err := json.Unmarshal([]byte(out.stdout), &got); err != nil {
		t.Fatalf("%v: %s", err, out.tail())
	}
	checkFloats(t, in.Floats, got.Floats)
	if plain := inflate(t, got.Deflated); !bytes.Equal(plain, in.Data) {
		t.Errorf("what Ruby deflated inflates to %d other bytes", len(plain))
	}
	want := stdlibWant(in)
	want.Floats, want.Deflated = got.Floats, got.Deflated // checked above
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.Errorf("%s is\n%v, want\n%v", g.Type().Field(i).Name, g.Field(i), w.Field(i))
		}
	}
}

// stdlibWant computes the report's fields that have one right value.
func stdlibWant(in stdlibInput) stdlibReport {
	hex := func(b []byte) string { return fmt.Sprintf("%x", b) }
	sha2, sha5, md := sha256.Sum256(in.Data), sha512.Sum512(in.Data), md5.Sum(in.Data)
	want := stdlibReport{
		SHA256: hex(sha2[:]), SHA512: hex(sha5[:]), MD5: hex(md[:]), Inflated: hex(sha2[:]),
		CRC32: crc32.ChecksumIEEE(in.Data), Adler32: adler32.Checksum(in.Data),
		YAML: true, ERB: "0;1;4;",
		Factorial: new(big.Int).MulRange(1, 150).String(),
		Tokens:    []string{"let", "x1", "=", "40", "+", "(", "y", "-", "2", ")", ";"},
	}
	ten := func(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }
	want.Power = new(big.Int).Exp(big.NewInt(3), ten(30), ten(40).Add(ten(40), big.NewInt(7))).String()
	for _, d := range in.Days {
		want.Weekdays = append(want.Weekdays, time.Unix(int64(d)*86400, 0).UTC().Format("2006-01-02 Mon 002"))
	}
	var sums []int
	for part := range slices.Chunk(in.Data, 7) {
		sum := 0
		for _, b := range part {
			sum += int(b)
		}
		sums = append(sums, sum)
	}
	slices.Sort(sums)
	want.Sorted = sums[len(sums)-5:]
	for _, u := range utf16.Encode([]rune("Grüße, 世界")) {
		want.Encoded += int(u&0xff) + int(u>>8)
	}
	return want
}

// checkFloats compares Ruby's decimal forms by value: both sides print the
// shortest form that reads back as the same number, in styles of their own.
func checkFloats(t *testing.T, in []float64, got [][5]string) {
	t.Helper()
	if len(got) != len(in) {
		t.Fatalf("%d floats came back of %d", len(got), len(in))
	}
	for i, f := range in {
		for k, want := range []float64{f, f * 3, math.Sqrt(math.Abs(f))} {
			if x, err := strconv.ParseFloat(got[i][k], 64); err != nil || x != want {
				t.Errorf("form %d of %v is %s, want %v", k, f, got[i][k], want)
			}
		}
		if want := strconv.FormatFloat(f, 'f', 3, 64); got[i][3] != want {
			t.Errorf("%v to three digits is %s, want %s", f, got[i][3], want)
		}
		whole, _ := big.NewFloat(f).Int(nil)
		if got[i][4] != whole.String() {
			t.Errorf("%v as an integer is %s, want %s", f, got[i][4], whole)
		}
	}
}

func deflate(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func inflate(t *testing.T, b []byte) []byte {
	t.Helper()
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
