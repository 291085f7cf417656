# Bodies in both directions, and a program that does not end.
->(env) do
  input = env["rack.input"]
  case env["PATH_INFO"]
  when "/lines" # each is answered before the next one is read
    [200, {"content-type" => "text/plain"}, ->(out) { while (line = input.gets) do out.write(line.reverse.lstrip << "\n") end }]
  when "/several" # of one header
    puts "this goes to the log"
    [201, {"set-cookie" => ["a=1", "b=2"], "x-lines" => "c\nd", "rack.internal" => "e"}, []]
  when "/loop"
    loop {}
  end
end
