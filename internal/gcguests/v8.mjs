// Calls functions of a module on V8, for comparison: node v8.mjs module.wasm, with the calls as JSON on standard input,
// [{"func": "f", "args": [1, 2], "repeat": 3}, …]. Prints an array with, for each call, "result" (a decimal number), "trap" or
// "thrown", "ns" and "cpu", the times of all repetitions, and "peak", the largest resident size in KiB. A module that imports spectest.print_char gets one; what it prints is "printed".
import fs from 'node:fs';

const printed = [];
const imports = { spectest: { print_char: (c) => { printed.push(c); } } };
const started = process.hrtime.bigint();
const module = new WebAssembly.Module(fs.readFileSync(process.argv[2]));
const instance = new WebAssembly.Instance(module, imports);
const loaded = Number(process.hrtime.bigint() - started);

const out = [];
for (const call of JSON.parse(fs.readFileSync(0, 'utf8'))) {
  const f = instance.exports[call.func];
  const r = { ns: [], cpu: [], loaded };
  for (let i = 0; i < (call.repeat ?? 1); i++) {
    printed.length = 0;
    const before = process.cpuUsage();
    const start = process.hrtime.bigint();
    try {
      r.result = String(f(...(call.args ?? [])));
    } catch (e) {
      if (e instanceof WebAssembly.Exception) r.thrown = true;
      else r.trap = String(e.message ?? e);
    }
    r.ns.push(Number(process.hrtime.bigint() - start));
    const used = process.cpuUsage(before);
    r.cpu.push((used.user + used.system) * 1000);
  }
  // UTF-16 units; a surrogate pair is two of them.
  let text = '';
  for (const c of printed) text += String.fromCharCode(c);
  r.printed = text;
  try {
    r.peak = Number(/VmHWM:\s*(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]);
  } catch { /* not Linux */ }
  out.push(r);
}
console.log(JSON.stringify(out));
