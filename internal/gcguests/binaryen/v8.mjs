// What V8 does with a module of binaryen's fuzzer: node v8.mjs module.wasm, with the exports as JSON on standard input. Prints
// the events as JSON. The rules are those of binaryen_test.go's imitation.
import fs from 'node:fs';

const defs = JSON.parse(fs.readFileSync(0, 'utf8'));
const events = [];
const foreign = { is: 'extern' };
const jsError = { is: 'jserror' };
class Trapped extends Error {}

function text(v, type) {
  if (v === null || v === undefined) return 'null';
  if (typeof v === 'function') return 'function';
  if (v instanceof TypeError) return 'jserror';
  if (typeof v === 'object') return v === foreign || v === jsError ? v.is : 'object(null)';
  if (type === 'ref') return `i31ref(${v})`;
  if (Object.is(v, -0)) return '-0';
  return String(v);
}

const log = (type) => (v) => {
  const values = type === 'i64' ? [BigInt.asIntN(32, v), BigInt.asIntN(32, v >> 32n)].map(String) : [text(v, type)];
  events.push({ kind: 'log', values });
};
const throwJS = () => { throw jsError; };
const isTrap = (e) => e instanceof WebAssembly.RuntimeError || e instanceof RangeError;
// Nulls become zeros of every type but i64, which JavaScript refuses with a TypeError.
const callFunction = (f) => { if (typeof f !== 'function') throwJS(); f(...Array(f.length).fill(null)); };
const callExport = (i) => {
  const d = defs[i >>> 0];
  if (!d || d.kind !== 'func') throwJS();
  callFunction(instance.exports[d.name]);
};
const catching = (f) => (x) => {
  try { f(x); } catch (e) { if (isTrap(e)) throw e; return 1; }
  return 0;
};
const wasmtag = new WebAssembly.Tag({ parameters: ['i32'] });
const table = () => { const t = instance.exports.table; if (!t) throwJS(); return t; };
const imports = {
  __fuzz_import: new Proxy({}, { get: () => foreign }),
  'fuzzing-support': {
    'log-i32': log('i32'), 'log-i64': log('i64'), 'log-f32': log('f32'), 'log-f64': log('f64'),
    'log-anyref': log('ref'), 'log-funcref': log('ref'), 'log-externref': log('ref'),
    throw: (x) => { if (x === 0) throwJS(); throw new WebAssembly.Exception(wasmtag, [x]); },
    'table-get': (i) => { const t = table(); if (i >>> 0 >= t.length) throwJS(); return t.get(i >>> 0); },
    'table-set': (i, f) => { const t = table(); if (i >>> 0 >= t.length) throwJS(); t.set(i >>> 0, f); },
    'call-export': callExport, 'call-export-catch': catching(callExport),
    'call-ref': callFunction, 'call-ref-catch': catching(callFunction),
    sleep: (ms, id) => id,
    wasmtag, jstag: WebAssembly.JSTag,
  },
};

const classes = [
  [/unreachable/, 'unreachable'], [/illegal cast/, 'cast'], [/dereferencing a null/, 'null'], [/memory access out of bounds/, 'memory'],
  [/table (index|access|element)|table.*out of bounds/, 'table'], [/function signature mismatch|null function or function/, 'signature'],
  [/array element access|array.*out of bounds/, 'array'], [/divide|remainder|float unrepresentable/, 'arithmetic'],
];
function ended(e) {
  if (e instanceof WebAssembly.Exception) {
    events.push({ kind: 'exception', values: e.is(wasmtag) ? [String(e.getArg(wasmtag, 0))] : null });
  } else if (isTrap(e)) {
    events.push({ kind: 'trap', text: (classes.find(([r]) => r.test(e.message)) ?? [0, ''])[1], message: e.message });
  } else if (e === jsError || e instanceof TypeError) {
    events.push({ kind: 'exception', values: ['jserror'] });
  } else throw e;
}

let instance;
try {
  instance = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(process.argv[2])), imports);
} catch (e) {
  if (!isTrap(e)) throw e;
  ended(e);
  events.push({ kind: 'failed' });
}
for (const d of instance ? defs : []) {
  const x = instance.exports[d.name];
  if (d.kind === 'other') continue;
  events.push({ kind: 'export', text: d.name });
  if (d.kind === 'global') {
    events.push({ kind: 'log', values: [text(x.value, d.types[0])] });
  } else if (d.refused) {
    events.push({ kind: 'refused' });
  } else {
    try {
      const r = x(...d.params.map((t) => (t === 'i64' ? 0n : null)));
      const all = d.types.length > 1 ? [...r] : d.types.length === 1 ? [r] : [];
      if (all.length > 0) events.push({ kind: 'result', values: all.map((v, i) => text(v, d.types[i])) });
    } catch (e) {
      ended(e);
    }
  }
}
console.log(JSON.stringify(events));
