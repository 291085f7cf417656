package wasi

import (
	"encoding/binary"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// The numbers and layouts of wasi_snapshot_preview1 (WASI repository, phases/snapshot/witx). All integers are little-endian.

// rights is a set of things that may be done with a file descriptor.
type rights uint64

const (
	rightFdDatasync rights = 1 << iota
	rightFdRead
	rightFdSeek
	rightFdFdstatSetFlags
	rightFdSync
	rightFdTell
	rightFdWrite
	rightFdAdvise
	rightFdAllocate
	rightPathCreateDirectory
	rightPathCreateFile
	rightPathLinkSource
	rightPathLinkTarget
	rightPathOpen
	rightFdReaddir
	rightPathReadlink
	rightPathRenameSource
	rightPathRenameTarget
	rightPathFilestatGet
	rightPathFilestatSetSize
	rightPathFilestatSetTimes
	rightFdFilestatGet
	rightFdFilestatSetSize
	rightFdFilestatSetTimes
	rightPathSymlink
	rightPathRemoveDirectory
	rightPathUnlinkFile
	rightPollFdReadwrite
	rightSockShutdown
	rightSockAccept

	rightsAll = rightSockAccept<<1 - 1
)

// What makes sense for each kind of file.
const (
	rightsStream = rightFdRead | rightFdWrite | rightFdFdstatSetFlags | rightFdFilestatGet | rightPollFdReadwrite
	rightsFile   = rightsStream | rightFdDatasync | rightFdSeek | rightFdSync | rightFdTell | rightFdAdvise | rightFdAllocate |
		rightFdFilestatSetSize | rightFdFilestatSetTimes
	rightsSocket   = rightsStream | rightSockShutdown
	rightsListener = rightFdRead | rightFdFdstatSetFlags | rightFdFilestatGet | rightPollFdReadwrite | rightSockAccept
	rightsDir      = rightFdFdstatSetFlags | rightFdSync | rightPathCreateDirectory | rightPathCreateFile | rightPathLinkSource |
		rightPathLinkTarget | rightPathOpen | rightFdReaddir | rightPathReadlink | rightPathRenameSource | rightPathRenameTarget |
		rightPathFilestatGet | rightPathFilestatSetSize | rightPathFilestatSetTimes | rightFdFilestatGet | rightFdFilestatSetTimes |
		rightPathSymlink | rightPathRemoveDirectory | rightPathUnlinkFile
)

// What a read-only mount takes away.
const rightsMutating = rightFdWrite | rightFdAllocate | rightFdFilestatSetSize | rightFdFilestatSetTimes | rightPathCreateDirectory |
	rightPathCreateFile | rightPathLinkSource | rightPathLinkTarget | rightPathRenameSource | rightPathRenameTarget |
	rightPathFilestatSetSize | rightPathFilestatSetTimes | rightPathSymlink | rightPathRemoveDirectory | rightPathUnlinkFile

const (
	oCreat uint32 = 1 << iota
	oDirectory
	oExcl
	oTrunc
	oAll = oCreat | oDirectory | oExcl | oTrunc
)

const lookupFollow = 1

const (
	fstAtim = 1 << iota
	fstAtimNow
	fstMtim
	fstMtimNow
)

const (
	clockRealtime = iota
	clockMonotonic
	clockProcessCPU
	clockThreadCPU
)

const (
	eventClock = iota
	eventFdRead
	eventFdWrite
)

const (
	subClockAbstime = 1
	eventHangup     = 1
	riPeek          = 1
	riWaitall       = 2
	shutRead        = 1
	shutWrite       = 2
)

// Sizes of the structures.
const (
	sizeIovec        = 8
	sizeFdstat       = 24
	sizeFilestat     = 64
	sizeDirent       = 24
	sizePrestat      = 8
	sizeSubscription = 48
	sizeEvent        = 32
)

var le = binary.LittleEndian

func putFilestat(b []byte, s *vfs.Stat) {
	clear(b[:sizeFilestat])
	le.PutUint64(b[0:], s.Dev)
	le.PutUint64(b[8:], s.Ino)
	b[16] = byte(s.Type)
	le.PutUint64(b[24:], s.Nlink)
	le.PutUint64(b[32:], s.Size)
	le.PutUint64(b[40:], s.Atim)
	le.PutUint64(b[48:], s.Mtim)
	le.PutUint64(b[56:], s.Ctim)
}
