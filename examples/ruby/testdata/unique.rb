# What an application may have made before the fork, and what of that must differ in children.
require "json"
require "openssl"
require "securerandom"

rand; Random.rand; SecureRandom.hex; OpenSSL::Random.random_bytes(8) # each has its state now

OWN = Random.new # the application's own: nobody knows of it, and in each child it goes on from the same state
$again = Random.new # made anew in children
$forks = 0
Process.singleton_class.prepend(Module.new do # as libraries learn of forks
  def _fork
    super.tap { |pid| pid == 0 and $again = Random.new and $forks += 1 }
  end
end)

->(env) do
  [200, {"content-type" => "application/json"}, [JSON.generate(
    unique: {
      rand: rand(2**62), random: Random.rand(2**62), seed: Random.seed.to_s, bytes: Random.bytes(8).unpack1("H*"), shuffle: [*1..50].shuffle.to_s,
      secure: SecureRandom.hex(16), uuid: SecureRandom.uuid, openssl: OpenSSL::Random.random_bytes(8).unpack1("H*"), bn: OpenSSL::BN.rand(64).to_s, fresh: Random.new_seed.to_s, again: $again.rand(2**62)
    },
    same: {own: OWN.rand(2**62), forks: $forks},
  )]]
end
