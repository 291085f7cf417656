// Makes random modules, and logs of what binaryen's interpreter says they do: see README.md.
//
//	node generate.mjs path/of/wasm-opt directory count seed
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const [wasmOpt, dir, count, seed] = process.argv.slice(2);
const features = [
  '--mvp-features', '--enable-sign-ext', '--enable-mutable-globals', '--enable-nontrapping-float-to-int', '--enable-bulk-memory',
  '--enable-bulk-memory-opt', '--enable-exception-handling', '--enable-tail-call', '--enable-reference-types', '--enable-multivalue',
  '--enable-gc', '--enable-extended-const',
];
const run = (...args) => spawnSync(process.execPath, [wasmOpt, ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });

// The fuzzer's choices are the bytes of a file.
let state = BigInt.asUintN(64, BigInt(seed) * 0x9E3779B97F4A7C15n + 1n);
function random() {
  state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
  return Number(state >> 33n);
}
const input = path.join(dir, 'input');
for (let i = 0; i < Number(count); i++) {
  fs.writeFileSync(input, Uint8Array.from({ length: 3000 + (random() % 14000) }, () => random() & 255));
  const file = path.join(dir, `${seed}-${i}.wasm`);
  // NaNs of code become zeros; the ones of globals stay. Old exception instructions become new ones.
  const made = run(input, '-ttf', '--denan', '--translate-to-exnref', ...features, '-o', file);
  // What the fuzzer itself runs is the module before the passes; so it is read again.
  const ran = made.status === 0 ? run(file, ...features, '--fuzz-exec-before', '-o', path.join(dir, 'output')) : made;
  if (ran.status !== 0 || ran.stdout.includes('[host limit')) {
    fs.rmSync(file, { force: true });
    continue;
  }
  fs.writeFileSync(file.replace(/wasm$/, 'log'), ran.stdout);
}
