# An application as one writes it for Rack, with what takes time at its start: libraries, a template, a table.
require "digest"
require "erb"
require "json"
require "securerandom"
require "time"
require "uri"

PAGE = ERB.new(<<~HTML, trim_mode: "-")
  <!DOCTYPE html>
  <title><%= ERB::Util.html_escape(title) %></title>
  <table>
  <%- rows.each do |n, square| -%>
  <tr><td><%= n %><td><%= square %>
  <%- end -%>
  </table>
HTML

def page(title, rows) = PAGE.result(binding)

SQUARES = (0...10_000).to_h { |n| [n, n * n] }
HTML = {"content-type" => "text/html; charset=utf-8"}.freeze
JSON_TYPE = {"content-type" => "application/json"}.freeze
TEXT = {"content-type" => "text/plain"}.freeze
$asked = 0

->(env) do
  $asked += 1
  query = URI.decode_www_form(env["QUERY_STRING"]).to_h
  case env["PATH_INFO"]
  when "/" # a page of a table
    from = query.fetch("from", "1").to_i
    [200, HTML, [page(query.fetch("title", "Squares"), (from...from + 10).to_h { |n| [n, SQUARES[n]] })]]
  when "/digest" # of what is sent
    body = env["rack.input"].read
    [200, JSON_TYPE, [JSON.generate(asked: $asked, bytes: body.bytesize, sha256: Digest::SHA256.hexdigest(body), at: Time.now.utc.iso8601(3))]]
  when "/random" # what must differ from one request to the next
    [200, JSON_TYPE, [JSON.generate(
      asked: $asked, rand: rand, sample: (1..1000).to_a.sample(3), random: Random.rand(2**64), seed: Random.seed.to_s,
      secure: SecureRandom.hex(16), uuid: SecureRandom.uuid
    )]]
  when "/count" # lines as they are made
    [200, TEXT, Enumerator.new { |y| query.fetch("to", "3").to_i.times { |n| y << "#{n}\n" } }]
  when "/raise"
    raise ArgumentError, "as was asked for"
  when "/cut" # fails when a part is out
    [200, TEXT, Enumerator.new { |y| y << "a part"; raise "no more" }]
  when "/exit"
    exit 3
  else
    [404, TEXT, ["There is no #{env["PATH_INFO"]}.\n"]]
  end
end
