// Rebuilds the modules beside the sources here: see README.md. The compiler is a worker that speaks comlink's protocol; here it
// runs in this thread, with the functions that a worker has put into the global object.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';

const require = createRequire(path.resolve('package.json'));
const target = 'wasm-gc';

// The bundle of the playground has the core library's sources as assignments of bytes, i["/lib/core/…"] = …, in one run of lines, after
// the functions that the values are made with.
function coreSources() {
  const file = path.resolve('node_modules/@moonbit/moonpad-monaco/dist/moonpad-monaco.js');
  const lines = fs.readFileSync(file, 'utf8').split('\n');
  const isFile = (line) => line.startsWith('i["/lib');
  const last = lines.findLastIndex(isFile);
  const first = lines.findLastIndex((line, k) => k < last && line.startsWith('var d = '));
  const files = new Function(lines.slice(first, last + 1).join('\n') + '\nreturn i;')();
  return (name) => Buffer.from(files[name]).toString('utf8');
}

const listeners = [];
const waiting = new Map();
globalThis.self = globalThis;
globalThis.addEventListener = (type, f) => { if (type === 'message') listeners.push(f); };
globalThis.removeEventListener = () => {};
globalThis.postMessage = (message) => {
  const done = waiting.get(message.id);
  waiting.delete(message.id);
  done?.(message);
};
require(path.resolve('node_modules/@moonbit/moonc-worker/moonc-worker.js'));

function call(name, argument) {
  return new Promise((resolve, reject) => {
    const id = String(waiting.size) + name + Math.random();
    waiting.set(id, (m) => (m.type === 'HANDLER' ? reject(new Error(JSON.stringify(m.value))) : resolve(m.value)));
    const data = { id, type: 'APPLY', path: [name], argumentList: [{ type: 'RAW', value: argument }] };
    for (const f of listeners) f({ data, origin: '' });
  });
}

function complain(what, result) {
  for (const d of result.diagnostics ?? []) if (!/warning/i.test(d) || !result.core) console.error(d);
  if (!result.core) throw new Error(`${what} does not compile`);
}

// The packages of the core library, each after those that it imports.
async function buildCore(sources) {
  const { packages } = JSON.parse(sources('/lib/core/_build/packages.json'));
  const name = (p) => p.root + (p.rel ? '/' + p.rel : '');
  const byName = new Map(packages.map((p) => [name(p), p]));
  const built = new Map();
  const build = async (key) => {
    if (built.has(key)) return;
    const p = byName.get(key);
    built.set(key, null);
    for (const d of p.deps) await build(d.path);
    const files = Object.entries(p.files)
      .filter(([, when]) => when.backend.includes('WasmGC') && when.optlevel.includes('Release'))
      .map(([f]) => [f, sources(f.replace('moonbit-core:', ''))]);
    const imported = p.deps.map((d) => d.path);
    const result = await call('buildPackage', {
      mbtFiles: files,
      miFiles: p.deps.map((d) => [d.path + (d.alias ? ':' + d.alias : ''), built.get(d.path).mi]),
      indirectImportMiFiles: [...built].filter(([k, b]) => b && !imported.includes(k)).map(([k, b]) => [k, b.mi]),
      stdMiFiles: [],
      target,
      pkg: key,
      pkgSources: [`${key}:${p['root-path']}`, 'moonbitlang/core:moonbit-core:/lib/core'],
      isMain: false,
      errorFormat: 'human',
      enableValueTracing: false,
      noOpt: false,
    });
    complain(key, result);
    built.delete(key); // so that the order is that of building
    built.set(key, result);
  };
  for (const key of byName.keys()) await build(key);
  return built;
}

const core = await buildCore(coreSources());
const pkgSources = ['guest/main:guest:/', 'moonbitlang/core:moonbit-core:/lib/core'];
for (const source of process.argv.slice(2)) {
  const result = await call('buildPackage', {
    mbtFiles: [[path.basename(source), fs.readFileSync(source, 'utf8')]],
    miFiles: [],
    indirectImportMiFiles: [],
    stdMiFiles: [...core].map(([k, b]) => {
      const rel = k.replace('moonbitlang/core/', '');
      return [`/lib/core/${rel}/${path.basename(k)}.mi`, b.mi];
    }),
    target,
    pkg: 'guest/main',
    pkgSources,
    isMain: true,
    errorFormat: 'human',
    enableValueTracing: false,
    noOpt: false,
  });
  complain(source, result);
  const linked = await call('linkCore', {
    coreFiles: [...[...core.values()].map((b) => b.core), result.core],
    main: 'guest/main',
    pkgSources,
    target,
    exportedFunctions: [],
    outputFormat: 'wasm',
    testMode: false,
    debug: false,
    noOpt: false,
    sourceMap: false,
    sources: {},
    stopOnMain: false,
  });
  const out = source.replace(/\.mbt$/, '.wasm');
  fs.writeFileSync(out, linked.result);
  console.log(out, linked.result.length);
}
