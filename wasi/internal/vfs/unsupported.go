package vfs

// Unsupported implements the optional methods of File for files that are not seekable storage.
type Unsupported struct{}

// Read fails.
func (Unsupported) Read([]byte) (int, error) { return 0, EBADF }

// Write fails.
func (Unsupported) Write([]byte) (int, error) { return 0, EBADF }

// ReadAt fails.
func (Unsupported) ReadAt([]byte, int64) (int, error) { return 0, ESPIPE }

// WriteAt fails.
func (Unsupported) WriteAt([]byte, int64) (int, error) { return 0, ESPIPE }

// Seek fails.
func (Unsupported) Seek(int64, int) (int64, error) { return 0, ESPIPE }

// Truncate fails.
func (Unsupported) Truncate(int64) error { return EINVAL }

// Allocate fails.
func (Unsupported) Allocate(int64, int64) error { return ESPIPE }

// Advise fails.
func (Unsupported) Advise(int64, int64, uint8) error { return ESPIPE }

// SetTimes fails.
func (Unsupported) SetTimes(Times) error { return EINVAL }

// Sync fails.
func (Unsupported) Sync(bool) error { return EINVAL }

// SetFlags does nothing.
func (Unsupported) SetFlags(Flags) error { return nil }

// Close does nothing.
func (Unsupported) Close() error { return nil }

// UnsupportedDir is Unsupported for directories.
type UnsupportedDir struct{ Unsupported }

// Type is TypeDirectory.
func (UnsupportedDir) Type() FileType { return TypeDirectory }

// Read fails.
func (UnsupportedDir) Read([]byte) (int, error) { return 0, EISDIR }

// ReadAt fails.
func (UnsupportedDir) ReadAt([]byte, int64) (int, error) { return 0, EISDIR }

// Write fails.
func (UnsupportedDir) Write([]byte) (int, error) { return 0, EISDIR }

// WriteAt fails.
func (UnsupportedDir) WriteAt([]byte, int64) (int, error) { return 0, EISDIR }

// Seek fails.
func (UnsupportedDir) Seek(int64, int) (int64, error) { return 0, EBADF }

// Truncate fails.
func (UnsupportedDir) Truncate(int64) error { return EBADF }

// Allocate fails.
func (UnsupportedDir) Allocate(int64, int64) error { return EBADF }

// Advise fails.
func (UnsupportedDir) Advise(int64, int64, uint8) error { return EBADF }

// Sync does nothing: what is written of a directory is the backend's matter.
func (UnsupportedDir) Sync(bool) error { return nil }
