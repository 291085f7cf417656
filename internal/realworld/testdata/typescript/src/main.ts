import { Inventory, Kind, type Item } from "./inventory";
import { median, primesBelow } from "./math";
import stock from "./stock.json";

// The decorator-free features that a bundler must take away or lower: enums,
// types, parameter properties, generics, optional chaining, async code.
async function main(limit: number): Promise<void> {
  const inventory = new Inventory<Item>("shelf");
  for (const s of stock) {
    inventory.add({ ...s, kind: s.price > 10 ? Kind.Dear : Kind.Cheap });
  }
  const primes = primesBelow(limit);
  const late = await import("./late");
  const report = {
    name: inventory.name,
    dear: inventory.count(Kind.Dear),
    kinds: [Kind[Kind.Cheap], Kind[Kind.Dear]],
    total: inventory.total(),
    median: median(stock.map((s) => s.price)),
    primes: primes.length,
    last: primes.at(-1) ?? 0,
    late: late.greet?.("wasm"),
  };
  console.log(JSON.stringify(report));
}

main(Number(process.argv[2] ?? "100")).catch((e: unknown) => {
  console.error(e);
  process.exit(1);
});
