// Package standby starts further processes of the running binary and exchanges messages with them: bytes and open files. What messages mean is the matter of who
// sends them; see "Processes of their own" in HACKING.md.
//
// The two ends of a Conn are one SOCK_SEQPACKET pair. A process that dies, however it does, closes its end: the other one reads io.EOF. That is how a parent's death is
// noticed. PR_SET_PDEATHSIG would not do: it is about the thread that forked (prctl(2)), and Go ends threads as it likes.
//
// Linux only; elsewhere all functions return errors.ErrUnsupported.
package standby

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// Message is what one side tells the other. Files are the receiver's, who closes them; one that it hands on it makes nil.
type Message struct {
	Kind  byte
	Body  []byte
	Files []*os.File
}

// Close closes the files.
func (m *Message) Close() error {
	var errs []error
	for _, f := range m.Files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	m.Files = nil
	return errors.Join(errs...)
}

// ProtocolError says what is wrong with a message.
type ProtocolError struct{ Msg string }

func (e *ProtocolError) Error() string { return "standby process: " + e.Msg }

func badf(format string, args ...any) error { return &ProtocolError{fmt.Sprintf(format, args...)} }

// Limits of one message. What a sender exceeds is its own error.
const (
	MaxBody  = 64 << 20
	MaxFiles = 1 << 14
)

// A message is one packet or more. Of each: kind, flags, files with it (2 bytes), body. Only the last one has a body; those before it carry files that the last one has no room for.
const (
	headerSize = 4
	// maxPacket is well below what a socket's buffer holds by default (net.core.wmem_default).
	maxPacket = 32 << 10
	// maxPacketFiles is less than SCM_MAX_FD, 253 (unix(7)).
	maxPacketFiles = 240

	flagMore   = 1 << 0 // more files follow
	flagBodyIn = 1 << 1 // the body is the content of the last file
)

type header struct {
	kind, flags byte
	files       int
}

func (h header) append(b []byte) []byte {
	return binary.LittleEndian.AppendUint16(append(b, h.kind, h.flags), uint16(h.files))
}

// parse takes a packet apart, which came with a number of files.
func parse(b []byte, files int) (h header, body []byte, err error) {
	if len(b) < headerSize {
		return h, nil, badf("a packet of %d bytes", len(b))
	}
	h = header{b[0], b[1], int(binary.LittleEndian.Uint16(b[2:]))}
	body = b[headerSize:]
	switch {
	case h.files != files:
		return h, nil, badf("a packet with %d files says that they are %d", files, h.files)
	case h.flags&^(flagMore|flagBodyIn) != 0 || h.flags == flagMore|flagBodyIn:
		return h, nil, badf("a packet with flags %#x", h.flags)
	case h.flags&flagMore != 0 && (len(body) > 0 || files == 0):
		return h, nil, badf("a packet of more files has %d of them, and a body of %d bytes", files, len(body))
	case h.flags&flagBodyIn != 0 && (len(body) > 0 || files == 0):
		return h, nil, badf("a packet whose body is in a file has %d files, and %d bytes", files, len(body))
	}
	return h, body, nil
}
