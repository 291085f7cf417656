# Reads {"text": …, "numbers": […]} and reports on it: json and set, regular
# expressions, big integers, blocks, Unicode.
require "json"
require "set"

data = JSON.parse($stdin.read)
words = data["text"].downcase.scan(/[[:alpha:]]+/)
seen = Set.new(words)

report = {
  "count" => words.size,
  "distinct" => seen.size,
  "longest" => seen.max_by { |w| [w.length, w] },
  "sum" => data["numbers"].sum,
  "product" => data["numbers"].reduce(:*).to_s,
  "subset" => Set["the"].subset?(seen),
  "again" => JSON.parse(JSON.pretty_generate(data)) == data,
}
puts JSON.generate(report)
