/** The tag-manager template: its file, its code, its permissions and its own tests. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import ts from "typescript";
import { parse } from "yaml";
import { apis, Permissions, run, runScenario, sections, world, type Permission } from "./sandbox.js";

const read = (name: string) => readFileSync(new URL(`../../../gtm/${name}`, import.meta.url), "utf8");
const parts = sections(read("template.tpl"));
const json = (name: string) => JSON.parse(parts.get(name)!) as unknown;
const code = parts.get("SANDBOXED_JS_FOR_WEB_TEMPLATE")!;
const permissions = new Permissions(json("WEB_PERMISSIONS") as Permission[]);

interface Parameter {
  type: string;
  name: string;
  defaultValue?: unknown;
  subParams?: Parameter[];
  selectItems?: { value: string }[];
  enablingConditions?: { paramName: string; paramValue: string; type: string }[];
}
const parameters = (list: Parameter[]): Parameter[] => list.flatMap((one) => [one, ...parameters(one.subParams ?? [])]);
const fields = parameters(json("TEMPLATE_PARAMETERS") as Parameter[]);
const tree = ts.createSourceFile("template.js", code, ts.ScriptTarget.ES2015, true, ts.ScriptKind.JS);

function walk(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  node.forEachChild((child) => walk(child, see));
}

test("the file has the gallery's sections, in its order", () => {
  assert.deepEqual([...parts.keys()], [
    "TERMS_OF_SERVICE",
    "INFO",
    "TEMPLATE_PARAMETERS",
    "SANDBOXED_JS_FOR_WEB_TEMPLATE",
    "WEB_PERMISSIONS",
    "TESTS",
    "NOTES",
  ]);
  // The gallery takes no template without these words.
  assert.match(parts.get("TERMS_OF_SERVICE")!.replace(/\s+/g, " "), /agree to Google Tag Manager's Community Template Gallery Developer Terms of Service available at https:\/\/developers\.google\.com\/tag-manager\/gallery-tos/);
});

test("the description says what the template is", () => {
  const info = json("INFO") as Record<string, unknown>;
  assert.deepEqual([info.type, info.version, info.containerContexts, info.securityGroups], ["TAG", 1, ["WEB"], []]);
  assert.ok(String(info.displayName).length > 0 && String(info.description).length <= 200);
  const metadata = parse(read("metadata.yaml")) as { homepage: string; documentation: string; versions: { sha: string; changeNotes: string }[] };
  assert.deepEqual(Object.keys(metadata), ["homepage", "documentation", "versions"]);
  for (const { sha, changeNotes } of metadata.versions) {
    assert.match(sha, /^[0-9a-f]{40}$/);
    assert.ok(changeNotes);
  }
});

test("each field has its own name, is used by the code, and depends on a choice that exists", () => {
  const types = new Set(["TEXT", "SELECT", "CHECKBOX", "GROUP", "LABEL", "SIMPLE_TABLE"]);
  const names = fields.map((field) => field.name);
  assert.equal(new Set(names).size, names.length);
  const used = new Set([...code.matchAll(/\bdata\.(\w+)/g)].map((match) => match[1]!));
  for (const field of fields) {
    assert.ok(types.has(field.type), field.type);
    if (field.selectItems) assert.ok(field.selectItems.some((item) => item.value === field.defaultValue), field.name);
    if (!["GROUP", "LABEL"].includes(field.type)) assert.ok(used.has(field.name), `${field.name} is never read`);
    for (const { paramName, paramValue, type } of field.enablingConditions ?? []) {
      assert.equal(type, "EQUALS");
      assert.ok(fields.find(({ name }) => name === paramName)?.selectItems?.some(({ value }) => value === paramValue));
    }
  }
  const own = ["gtmOnSuccess", "gtmOnFailure"];
  for (const name of used) assert.ok(own.includes(name) || names.includes(name), `${name} is no field`);
});

test("the code keeps within the sandbox's JavaScript", () => {
  const forbidden = new Set([
    ts.SyntaxKind.RegularExpressionLiteral, ts.SyntaxKind.NewExpression, ts.SyntaxKind.ThisKeyword, ts.SyntaxKind.ClassDeclaration,
    ts.SyntaxKind.AwaitExpression, ts.SyntaxKind.YieldExpression, ts.SyntaxKind.SpreadElement, ts.SyntaxKind.TemplateExpression,
    ts.SyntaxKind.ObjectBindingPattern, ts.SyntaxKind.ArrayBindingPattern, ts.SyntaxKind.ForOfStatement, ts.SyntaxKind.TryStatement,
  ]);
  walk(tree, (node) => assert.ok(!forbidden.has(node.kind), `${ts.SyntaxKind[node.kind]}: ${node.getText()}`));
  const globals = ["window", "document", "console", "JSON", "Math", "Object", "Array", "String", "setTimeout", "eval"];
  walk(tree, (node) => {
    if (ts.isIdentifier(node)) assert.ok(!globals.includes(node.text), `${node.text} is not in the sandbox`);
  });
});

test("each API is asked for once and used, and each permission belongs to one", () => {
  const asked = [...code.matchAll(/const (\w+) = require\('(\w+)'\)/g)];
  for (const [, name, api] of asked) {
    assert.equal(name, api);
    assert.ok(code.split(new RegExp(`\\b${name!}\\b`)).length > 3, `${name!} is never used`);
    assert.ok(Object.hasOwn(apis(world(), permissions), api!), `the stand-in has no ${api!}`);
  }
  assert.deepEqual(permissions.names.sort(), ["access_consent", "access_globals", "inject_script", "logging", "read_data_layer"]);
});

interface Tests {
  scenarios: { name: string; code: string }[];
  setup: string;
}
const own = parse(parts.get("TESTS")!) as Tests;
for (const scenario of own.scenarios) {
  test(`its own test: ${scenario.name}`, () => runScenario(code, own.setup, scenario.code, permissions));
}

const SERVER = "https://signalpost.example";
const start = { action: "start", host: SERVER, key: "k", consentMode: "granted", gpc: "flag", dnt: "flag", autoPageView: true };
const outcome = () => {
  const told: string[] = [];
  return { told, gtmOnSuccess: () => told.push("success"), gtmOnFailure: () => told.push("failure") };
};

test("with the permissions it has, it starts, and leaves its calls where the script looks for them", () => {
  const page = world();
  const { told, ...ends } = outcome();
  run(code, { ...start, ...ends }, apis(page, permissions));
  run(code, { action: "track", eventType: "signup", properties: [{ name: "plan", value: "pro" }], ...ends }, apis(page, permissions));
  assert.deepEqual(told, ["success", "success"]);
  assert.deepEqual(page.loaded, [`${SERVER}/js/signalpost.js`]);
  const { q } = page.window.signalpost as { q: unknown[][] };
  assert.deepEqual(q.map((call) => call[0]), ["init", "track"]);
});

test("a server that the permissions do not name is refused; the server's own copy of the template names it", () => {
  const { told, ...ends } = outcome();
  const fieldsOf = { ...start, host: "https://collect.shop.example", ...ends };
  run(code, fieldsOf, apis(world(), permissions));
  assert.deepEqual(told, ["failure"]);
  const copy = sections(read("template.tpl").replaceAll(SERVER, "https://collect.shop.example"));
  run(copy.get("SANDBOXED_JS_FOR_WEB_TEMPLATE")!, fieldsOf, apis(world(), new Permissions(JSON.parse(copy.get("WEB_PERMISSIONS")!) as Permission[])));
  assert.deepEqual(told, ["failure", "success"]);
});

test("a permission that is taken away stops it", () => {
  const all = json("WEB_PERMISSIONS") as Permission[];
  for (const { instance } of all.filter((one) => one.instance.key.publicId !== "inject_script")) {
    const left = new Permissions(all.filter((one) => one.instance !== instance));
    const { gtmOnSuccess, gtmOnFailure } = outcome();
    const actions = [{ ...start, consentMode: "consent_mode" }, { action: "ecommerce" }];
    assert.throws(() => {
      for (const fieldsOf of actions) run(code, { ...fieldsOf, gtmOnSuccess, gtmOnFailure }, apis(world(), left));
    }, /has no permission/, instance.key.publicId);
  }
});
