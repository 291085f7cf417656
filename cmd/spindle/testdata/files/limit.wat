(module
  (type $bytes (array i8))
  (func $long (unreachable)
    (drop (array.new_fixed $bytes 10001))))
