# The server's side in Ruby. What is here runs in the interpreter that is frozen, but for Spindle.answer and what that calls: those run in a child, once.
module Spindle
  # Standard output is the answer's. What programs print goes to the server's standard error.
  OUT = $stdout
  $stdout = $stderr

  class << self
    # load makes the value of a file the application: call(env) gives status, headers and body, as Rack has it.
    def load(path)
      @app = eval(File.read(path), TOPLEVEL_BINDING, path)
      raise TypeError, "#{path}: its value is #{@app.class}, which has no method call" unless @app.respond_to?(:call)
    end

    # rehearse has the application answer a request whose answer nobody gets: what is done at the first time only, such as filling caches of methods, is done.
    def rehearse(uri)
      path, query = uri.split("?", 2)
      require "stringio"
      status, headers, body = @app.call(rack({"REQUEST_METHOD" => "GET", "REQUEST_URI" => uri, "SCRIPT_NAME" => "", "PATH_INFO" => path, "QUERY_STRING" => query.to_s,
        "SERVER_NAME" => "localhost", "SERVER_PORT" => "80", "SERVER_PROTOCOL" => "HTTP/1.1", "CONTENT_LENGTH" => "0"}, StringIO.new))
      deliver(head(status, headers), body, StringIO.new)
    ensure
      body.close if body.respond_to?(:close)
    end

    # warm collects what is garbage by now, makes the rest old, so that collections in children leave it alone, and moves it together.
    def warm
      OUT.binmode
      Process.warmup
      @fillers = fillers
      nil
    end

    # answer answers the request on standard input. What it raises ends the connection: the client has a part of the answer by then.
    def answer
      begun = false
      forked
      $stdin = IO.for_fd(0, "rb", autoclose: false) # with nothing in it of a request that an earlier one of this image has answered
      status, headers, body = @app.call(rack(request, $stdin))
      head = head(status, headers)
      begun = true
      deliver(head, body, OUT)
    rescue Exception => e
      raise if begun
      warn e.full_message(highlight: false)
      OUT.write("Status: 500 Internal Server Error\r\nContent-Type: text/plain\r\n\r\nInternal Server Error\n")
    ensure
      body.close if body.respond_to?(:close)
    end

    private

    # fillers takes the places of Ruby's heap that are free here and there, until the next object of each size comes to lie in a page without others. What a
    # child makes then lies together, in few pages of memory, and not in one page each.
    def fillers
      GC.disable
      all = []
      GC.stat_heap.each_key do |heap|
        slots = GC.stat_heap(heap, :slot_size) / 4 - 3
        pages = GC.stat_heap(heap, :heap_eden_pages)
        GC.stat_heap(heap, :heap_eden_slots).times do
          break if GC.stat_heap(heap, :heap_eden_pages) > pages
          all << Array.new(slots)
        end
      end
      all
    ensure
      GC.enable
    end

    # forked makes anew what must not be the same in two children. Libraries learn of a fork by methods that they put in front of Process._fork, which returns
    # 0 in a child.
    def forked
      Random.srand
      OpenSSL::Random.seed(Random.urandom(32)) if defined?(OpenSSL::Random)
      Process._fork
    end

    # request reads an SCGI request: a netstring of names and values, each with a zero behind it, and then the body.
    def request
      head = $stdin.read(Integer($stdin.gets(":", 12).chop, 10))
      $stdin.getbyte # a comma
      Hash[*head.split("\0", -1).tap(&:pop)]
    end

    def rack(env, input)
      env["rack.url_scheme"] = "http"
      env["rack.input"] = input
      env["rack.errors"] = $stderr
      env
    end

    # head makes the headers of CGI. A header with several values has an array of them, or lines.
    def head(status, headers)
      head = +"Status: #{Integer(status)}\r\n"
      headers.each do |name, values|
        next if name.start_with?("rack.")
        Array(values).each { |v| v.to_s.each_line(chomp: true) { |line| head << name << ": " << line << "\r\n" } }
      end
      head << "Content-Type: application/octet-stream\r\n" if headers.empty?
      head << "\r\n"
    end

    # deliver writes the first part together with the head.
    def deliver(head, body, out)
      if body.respond_to?(:each)
        body.each do |part|
          next if part.empty?
          out.write(head, part)
          head = ""
        end
        out.write(head) unless head.empty?
      else
        out.write(head)
        body.call(out)
      end
    end
  end
end

# There is no fork in the guest, so nothing calls this but Spindle.forked.
def Process._fork = 0
