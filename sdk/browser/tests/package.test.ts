/** The build: its sizes, its files, and what a TypeScript project sees of the package. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import ts from "typescript";

const home = fileURLToPath(new URL("../../../", import.meta.url));
const read = (name: string) => readFileSync(`${home}browser/dist/${name}`, "utf8");
interface Manifest {
  file: string;
  hash: string;
  integrity: string;
  bytes: number;
}

test("the script is at most 3 KB with gzip, the snippet at most 400 bytes", () => {
  assert.ok(gzipSync(read("signalpost.js"), { level: 9 }).length <= 3_072);
  assert.ok(read("snippet.html").trimEnd().length <= 400);
});

test("the manifest names the script by its content", () => {
  const manifest = JSON.parse(read("manifest.json")) as Manifest;
  const code = read("signalpost.js");
  assert.equal(manifest.file, `signalpost.${manifest.hash}.js`);
  assert.ok(createHash("sha256").update(code).digest("hex").startsWith(manifest.hash));
  assert.equal(manifest.integrity, `sha384-${createHash("sha384").update(code).digest("base64")}`);
  assert.equal(manifest.bytes, Buffer.byteLength(code));
  assert.equal(read(manifest.file), code);
});

test("the source map leads to the sources", () => {
  assert.match(read("signalpost.js"), /\n\/\/# sourceMappingURL=signalpost\.js\.map\n$/);
  const map = JSON.parse(read("signalpost.js.map")) as { sources: string[]; sourcesContent: string[] };
  for (const name of readdirSync(`${home}browser/src`).filter((file) => !["index.ts", "types.ts"].includes(file))) {
    const at = map.sources.findIndex((source) => source.endsWith(`/${name}`));
    assert.equal(map.sourcesContent[at], readFileSync(`${home}browser/src/${name}`, "utf8"), name);
  }
});

test("the package holds the build, its description and nothing else", () => {
  const [packed] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: `${home}browser`, encoding: "utf8" })) as { files: { path: string }[] }[];
  const paths = packed!.files.map((file) => file.path).sort();
  for (const wanted of ["README.md", "package.json", "dist/index.js", "dist/signalpost.js", "dist/types/index.d.ts", "dist/types/types.d.ts"]) {
    assert.ok(paths.includes(wanted), `${wanted} is missing`);
  }
  assert.ok(paths.every((path) => path.startsWith("dist/") || ["README.md", "package.json"].includes(path)), paths.join(" "));
});

/** What TypeScript says to `code` in a strict project that depends on the package. */
function complaints(code: string): string[] {
  const folder = mkdtempSync(join(home, ".build/consumer-"));
  try {
    const file = join(folder, "shop.ts");
    writeFileSync(file, code);
    const program = ts.createProgram([file], {
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      types: [],
    });
    return ts.getPreEmitDiagnostics(program).map((problem) => ts.flattenDiagnosticMessageText(problem.messageText, "\n"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a TypeScript project sees every call, and is told of wrong ones", () => {
  const start = `import { init, type Command, type Config, type Signalpost } from "@signalpost/browser";
    const config: Config = { key: "k", endpoint: "/api/events", consent: "pending", gpc: "drop", dnt: "ignore", auto: ["page_view", "scroll"],
      hash: true, remember: false, cookieDomain: "shop.example", cookieDays: 30, cookiePrefix: "x_", before: (event) => (event.event_type === "noise" ? null : event) };
    const client: Signalpost = init(config);
    declare const signalpost: Command;\n`;
  assert.deepEqual(complaints(`${start}
    client.identify("c", { plan: "pro" }); client.identify(null, { plan: "free" }); client.track("signup"); client.page({ section: "help" });
    client.consent("granted", { marketing: true }); client.productView({ product_id: "A", colour: "red" }); client.addToCart({ product_id: 1, quantity: 2 });
    client.removeFromCart({ product_id: "A" }); client.checkoutStarted({ total: 5 }); client.purchase({ order_id: 1, items: [{ product_id: "A" }] }); client.reset();
    signalpost("track", "signup", { plan: "pro" }); signalpost("init", config); signalpost("reset");`), []);
  for (const wrong of [
    "client.track();",
    "client.purchase({ total: 5 });",
    "client.addToCart({ name: 'no id' });",
    "client.consent('maybe');",
    "signalpost('tracks', 'signup');",
    "init({ consent: 'granted' });",
  ]) assert.equal(complaints(start + wrong).length, 1, wrong);
});
