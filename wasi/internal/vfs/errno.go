package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// Errno is an error number of WASI preview 1 (witx "errno"). Zero is success and is never used as an error.
type Errno uint16

// The error numbers, in the order of the interface's definition.
const (
	Success Errno = iota
	E2BIG
	EACCES
	EADDRINUSE
	EADDRNOTAVAIL
	EAFNOSUPPORT
	EAGAIN
	EALREADY
	EBADF
	EBADMSG
	EBUSY
	ECANCELED
	ECHILD
	ECONNABORTED
	ECONNREFUSED
	ECONNRESET
	EDEADLK
	EDESTADDRREQ
	EDOM
	EDQUOT
	EEXIST
	EFAULT
	EFBIG
	EHOSTUNREACH
	EIDRM
	EILSEQ
	EINPROGRESS
	EINTR
	EINVAL
	EIO
	EISCONN
	EISDIR
	ELOOP
	EMFILE
	EMLINK
	EMSGSIZE
	EMULTIHOP
	ENAMETOOLONG
	ENETDOWN
	ENETRESET
	ENETUNREACH
	ENFILE
	ENOBUFS
	ENODEV
	ENOENT
	ENOEXEC
	ENOLCK
	ENOLINK
	ENOMEM
	ENOMSG
	ENOPROTOOPT
	ENOSPC
	ENOSYS
	ENOTCONN
	ENOTDIR
	ENOTEMPTY
	ENOTRECOVERABLE
	ENOTSOCK
	ENOTSUP
	ENOTTY
	ENXIO
	EOVERFLOW
	EOWNERDEAD
	EPERM
	EPIPE
	EPROTO
	EPROTONOSUPPORT
	EPROTOTYPE
	ERANGE
	EROFS
	ESPIPE
	ESRCH
	ESTALE
	ETIMEDOUT
	ETXTBSY
	EXDEV
	ENOTCAPABLE
)

var errnoNames = [...]string{
	"SUCCESS", "2BIG", "ACCES", "ADDRINUSE", "ADDRNOTAVAIL", "AFNOSUPPORT", "AGAIN", "ALREADY", "BADF", "BADMSG", "BUSY", "CANCELED",
	"CHILD", "CONNABORTED", "CONNREFUSED", "CONNRESET", "DEADLK", "DESTADDRREQ", "DOM", "DQUOT", "EXIST", "FAULT", "FBIG", "HOSTUNREACH",
	"IDRM", "ILSEQ", "INPROGRESS", "INTR", "INVAL", "IO", "ISCONN", "ISDIR", "LOOP", "MFILE", "MLINK", "MSGSIZE", "MULTIHOP",
	"NAMETOOLONG", "NETDOWN", "NETRESET", "NETUNREACH", "NFILE", "NOBUFS", "NODEV", "NOENT", "NOEXEC", "NOLCK", "NOLINK", "NOMEM", "NOMSG",
	"NOPROTOOPT", "NOSPC", "NOSYS", "NOTCONN", "NOTDIR", "NOTEMPTY", "NOTRECOVERABLE", "NOTSOCK", "NOTSUP", "NOTTY", "NXIO",
	"OVERFLOW", "OWNERDEAD", "PERM", "PIPE", "PROTO", "PROTONOSUPPORT", "PROTOTYPE", "RANGE", "ROFS", "SPIPE", "SRCH", "STALE", "TIMEDOUT",
	"TXTBSY", "XDEV", "NOTCAPABLE",
}

// String returns the error's name, "ENOENT" for example.
func (e Errno) String() string {
	switch {
	case e == Success:
		return "SUCCESS"
	case int(e) < len(errnoNames):
		return "E" + errnoNames[e]
	}
	return "E?"
}

func (e Errno) Error() string { return "wasi: " + e.String() }

// ErrnoOf returns the error number for what Go's library or a file system returned: an Errno anywhere in the chain, then what the host's
// system call said, then the portable errors of io/fs.
func ErrnoOf(err error) Errno {
	if err == nil {
		return Success
	}
	if e, ok := err.(Errno); ok { //nolint:errorlint // the common case, without a walk
		return e
	}
	var e Errno
	if errors.As(err, &e) {
		return e
	}
	if e := hostErrno(err); e != Success {
		return e
	}
	for _, m := range portable {
		if errors.Is(err, m.err) {
			return m.errno
		}
	}
	return EIO
}

var portable = []struct {
	err   error
	errno Errno
}{
	{fs.ErrNotExist, ENOENT},
	{fs.ErrExist, EEXIST},
	{fs.ErrPermission, EACCES},
	{fs.ErrInvalid, EINVAL},
	{fs.ErrClosed, EBADF},
	{os.ErrDeadlineExceeded, ETIMEDOUT},
	{errors.ErrUnsupported, ENOTSUP},
	{io.ErrClosedPipe, EPIPE},
	{io.ErrShortWrite, EIO},
}
