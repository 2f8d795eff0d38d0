// Runs every test: the sources of the tests are TypeScript, which Node 20 does
// not read, so they are bundled into .build first.
//
//   node scripts/test.js [WORD…]    only test files whose path has one of the words in it
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const home = fileURLToPath(new URL("../", import.meta.url));
const out = `${home}.build/`;
const words = process.argv.slice(2);

const entryPoints = ["browser/tests", "gtm/tests", "libraries/tests"]
  .flatMap((folder) => readdirSync(home + folder).map((name) => `${folder}/${name}`))
  .filter((path) => path.endsWith(".test.ts") && (words.length === 0 || words.some((word) => path.includes(word))));

rmSync(out, { recursive: true, force: true });
const { outputFiles } = await build({
  absWorkingDir: home,
  entryPoints,
  outdir: out,
  outbase: ".",
  bundle: true,
  platform: "node",
  packages: "external",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  write: true,
  metafile: true,
}).then(({ metafile }) => ({ outputFiles: Object.keys(metafile.outputs) }));

// One file after the other: each has a browser and a server of its own.
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-concurrency=1", ...outputFiles], { cwd: home, stdio: "inherit" });
process.exit(status ?? 1);
