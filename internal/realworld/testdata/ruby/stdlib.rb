# Reads {"data": base64, "deflated": base64, "floats": […], "days": […]} and works
# on it with much of the standard library's compiled code: the host does the same.
require "json"
require "digest"
require "zlib"
require "yaml"
require "date"
require "erb"
require "strscan"

input = JSON.parse($stdin.read)
data = input["data"].unpack1("m")
tree = { "name" => "spindle", "list" => [1, 2.5, nil, true, "ünï"], "nested" => { "deep" => ["a: b", "- c"] } }

tokens = []
scanner = StringScanner.new("let x1 = 40 + (y - 2);")
until scanner.eos?
  scanner.skip(/\s+/)
  tokens << (scanner.scan(/\d+/) || scanner.scan(/[a-z]\w*/) || scanner.getch)
end

puts JSON.generate(
  "sha256" => Digest::SHA256.hexdigest(data),
  "sha512" => Digest::SHA512.hexdigest(data),
  "md5" => Digest::MD5.hexdigest(data),
  "crc32" => Zlib.crc32(data),
  "adler32" => Zlib.adler32(data),
  "inflated" => Digest::SHA256.hexdigest(Zlib::Inflate.inflate(input["deflated"].unpack1("m"))),
  "deflated" => [Zlib::Deflate.deflate(data, 9)].pack("m0"),
  "yaml" => YAML.load(YAML.dump(tree)) == tree,
  "floats" => input["floats"].map(&:to_f).map { |f| [f.to_s, (f * 3).to_s, Math.sqrt(f.abs).to_s, format("%.3f", f), f.to_i.to_s] },
  "weekdays" => input["days"].map { |d| (Date.new(1970, 1, 1) + d).strftime("%Y-%m-%d %a %j") },
  "factorial" => (1..150).reduce(:*).to_s,
  "power" => 3.pow(10**30, 10**40 + 7).to_s,
  "sorted" => data.bytes.each_slice(7).map(&:sum).sort.last(5),
  "erb" => ERB.new("<% 3.times do |i| %><%= i * i %>;<% end %>").result,
  "tokens" => tokens,
  "encoded" => "Grüße, 世界".encode("UTF-16LE").bytes.sum,
)
