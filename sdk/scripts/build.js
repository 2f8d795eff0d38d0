// Builds browser/dist: the script for pages, its hashed name and source map,
// the module for npm with its types, the snippet, and a manifest of them all.
// Fails when the script is larger than the project promises.
//
//   node scripts/build.js           writes browser/dist
//   node scripts/build.js --check   writes nothing, fails when what is committed is not what the sources make
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync, brotliCompressSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";
import ts from "typescript";

const SCRIPT_GZIP_BYTES_MAX = 3_072;
const SNIPPET_BYTES_MAX = 400;
/** Kept in the repository, so that the server can be built without Node. */
const COMMITTED = ["signalpost.js", "signalpost.js.map", "manifest.json", "snippet.html"];

const home = fileURLToPath(new URL("../browser/", import.meta.url));
const dist = `${home}dist/`;

/**
 * @param {string} entry
 * @param {import("esbuild").BuildOptions} options
 */
async function bundle(entry, options) {
  const description = /** @type {{ version: string }} */ (JSON.parse(await readFile(`${home}package.json`, "utf8")));
  const { outputFiles = [] } = await build({
    absWorkingDir: home,
    entryPoints: [`src/${entry}.ts`],
    outdir: "dist",
    bundle: true,
    charset: "utf8",
    define: { VERSION: JSON.stringify(description.version) },
    sourcemap: "external",
    target: "es2021",
    write: false,
    ...options,
  });
  const text = (/** @type {string} */ ending) => outputFiles.find((file) => file.path.endsWith(ending))?.text ?? "";
  return { code: text(".js"), map: text(".js.map") };
}

/**
 * The same, smaller: terser makes about 150 bytes less of it than esbuild alone.
 * @param {{ code: string, map: string }} script
 */
async function minified(script) {
  const made = await minify(script.code, {
    compress: { ecma: 2020, hoist_funs: true, passes: 6, pure_getters: true, unsafe: true, unsafe_arrows: true, unsafe_methods: true },
    ecma: 2020,
    module: true,
    sourceMap: { content: script.map, filename: "signalpost.js", includeSources: true },
  });
  return { code: made.code ?? "", map: `${made.map}\n` };
}

/** The declarations of every source, by path below `dist`. */
function declarations() {
  const { config } = ts.readConfigFile(`${home}tsconfig.json`, (path) => ts.sys.readFile(path));
  const parsed = ts.parseJsonConfigFileContent(config, ts.sys, home);
  const program = ts.createProgram(parsed.fileNames, parsed.options);
  const problems = ts.getPreEmitDiagnostics(program);
  if (problems.length > 0) throw new Error(ts.formatDiagnostics(problems, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => home, getNewLine: () => "\n" }));
  /** @type {Map<string, string>} */
  const files = new Map();
  program.emit(undefined, (path, text) => files.set(path.slice(dist.length), text), undefined, true);
  return files;
}

/** Every file of the build, by path below `dist`. */
async function make() {
  const script = await minified(await bundle("script", { format: "iife", minify: true, legalComments: "none" }));
  const module = await bundle("index", { format: "esm" });
  // One text under both names, so that one integrity value holds for both.
  const code = `${script.code.trimEnd()}\n//# sourceMappingURL=signalpost.js.map\n`;
  const hash = createHash("sha256").update(code).digest("hex").slice(0, 16);
  const hashed = `signalpost.${hash}.js`;
  const snippet = await readFile(`${home}snippet.html`, "utf8");
  const sizes = { bytes: Buffer.byteLength(code), gzip: gzipSync(code, { level: 9 }).length, brotli: brotliCompressSync(code).length, snippet: Buffer.byteLength(snippet.trimEnd()) };
  const manifest = { file: hashed, hash, integrity: `sha384-${createHash("sha384").update(code).digest("base64")}`, bytes: sizes.bytes };
  const files = declarations();
  files.set("signalpost.js", code);
  files.set("signalpost.js.map", script.map);
  files.set(hashed, code);
  files.set("index.js", `${module.code}//# sourceMappingURL=index.js.map\n`);
  files.set("index.js.map", module.map);
  files.set("snippet.html", snippet);
  files.set("manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
  return { files, sizes };
}

const { files, sizes } = await make();
console.log(`signalpost.js: ${sizes.bytes} bytes, ${sizes.gzip} gzip (at most ${SCRIPT_GZIP_BYTES_MAX}), ${sizes.brotli} brotli; snippet: ${sizes.snippet} bytes (at most ${SNIPPET_BYTES_MAX})`);
if (sizes.gzip > SCRIPT_GZIP_BYTES_MAX) throw new Error(`signalpost.js is ${sizes.gzip} bytes with gzip, more than ${SCRIPT_GZIP_BYTES_MAX}`);
if (sizes.snippet > SNIPPET_BYTES_MAX) throw new Error(`the snippet is ${sizes.snippet} bytes, more than ${SNIPPET_BYTES_MAX}`);

if (process.argv.includes("--check")) {
  for (const name of COMMITTED) {
    const held = await readFile(dist + name, "utf8").catch(() => undefined);
    if (held !== files.get(name)) throw new Error(`browser/dist/${name} is not what the sources make: run 'npm run build' and commit it`);
  }
} else {
  await rm(dist, { recursive: true, force: true });
  for (const [name, text] of files) {
    await mkdir(new URL(".", `file://${dist}${name}`), { recursive: true });
    await writeFile(dist + name, text);
  }
}
