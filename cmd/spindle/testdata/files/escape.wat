;; Names with an escape sequence of terminals and a character of two bytes.
(module $"red\1b[31m"
  (func $"\1b]0;title\07" (export "\1b[2J") (nop))
  (func (export "ü") (nop))
  (func $"\1b]0;start\07")
  (start $"\1b]0;start\07"))
