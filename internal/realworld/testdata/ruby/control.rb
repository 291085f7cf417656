# What CRuby does with setjmp, longjmp and stack switching, which the module
# does by unwinding and rewinding its own stack: exceptions, ensure, throw,
# fibers, enumerators, and break out of blocks. Prints ok or what is wrong.
$wrong = []

def check(what, got, want)
  $wrong << "#{what}: #{got.inspect}, want #{want.inspect}" unless got == want
end

order = []
begin
  begin
    order << :body
    raise ArgumentError, "inner"
  ensure
    order << :ensure
  end
rescue ArgumentError => e
  order << e.message.to_sym
else
  order << :else
end
check "order", order, %i[body ensure inner]

caught = 0
500.times do |i|
  begin
    Integer("x#{i}")
  rescue ArgumentError
    caught += 1
  end
end
check "rescues", caught, 500

check "catch", catch(:done) { 10.times { |i| throw :done, i if i * i > 30 }; :never }, 6
check "break", [1, 2, 3, 4].each { |x| break x * 10 if x == 3 }, 30

fib = Enumerator.new do |y|
  a, b = 0, 1
  loop { y << a; a, b = b, a + b }
end
check "lazy", fib.lazy.select(&:even?).first(8), [0, 2, 8, 34, 144, 610, 2584, 10946]
check "next", 3.times.map { fib.next }, [0, 1, 1]

echo = Fiber.new do |x|
  loop { x = Fiber.yield(x * 2) }
end
check "fiber", (1..50).map { |i| echo.resume(i) }, (1..50).map { |i| i * 2 }

def depth(n) = n.zero? ? 0 : 1 + depth(n - 1)
check "depth", depth(500), 500

data = Struct.new(:name, :size, keyword_init: true)
case data.new(name: "spindle", size: 3).to_h
in { name: String => name, size: Integer => size } if size > 2
  check "pattern", [name, size], ["spindle", 3]
end

GC.start
check "garbage", 20_000.times.map { |i| "s#{i}" * 3 }.map(&:size).sum, 20_000.times.sum { |i| 3 * "s#{i}".size }

puts $wrong.empty? ? "ok" : $wrong
