/**
 * A stand-in for the tag manager's sandbox: its template format, the APIs the
 * template uses with the permissions they ask for, and its test APIs.
 *
 * After Google's references "Custom template APIs", "Permissions" and "Tests"
 * (Tag Platform documentation). Where the template asks for an API that is not
 * here, or for one its permissions do not cover, running it fails, as there.
 */
import assert from "node:assert/strict";
import vm from "node:vm";

/** The sections of a template file, in order. */
export function sections(text: string): Map<string, string> {
  const found = new Map<string, string>();
  const heads = [...text.matchAll(/^___([A-Z_]+)___$/gm)];
  heads.forEach((head, index) => {
    const name = head[1]!;
    assert.ok(!found.has(name), `section ${name} stands twice`);
    found.set(name, text.slice(head.index + head[0].length, heads[index + 1]?.index).trim());
  });
  return found;
}

/** A value as permissions write it: 1 text, 2 list, 3 map, 8 boolean. */
export interface Typed {
  type: number;
  string?: string;
  boolean?: boolean;
  listItem?: Typed[];
  mapKey?: Typed[];
  mapValue?: Typed[];
}

export interface Permission {
  instance: { key: { publicId: string; versionId: string }; param: { key: string; value: Typed }[] };
  clientAnnotations: { isEditedByUser: boolean };
  isRequired: boolean;
}

/** A permission's value in plain JSON. */
export function plain(value: Typed): unknown {
  switch (value.type) {
    case 1:
      assert.equal(typeof value.string, "string");
      return value.string;
    case 2:
      return value.listItem!.map(plain);
    case 3:
      assert.equal(value.mapKey!.length, value.mapValue!.length);
      return Object.fromEntries(value.mapKey!.map((key, index) => [plain(key), plain(value.mapValue![index]!)]));
    case 8:
      assert.equal(typeof value.boolean, "boolean");
      return value.boolean;
    default:
      return assert.fail(`no such type of value: ${value.type}`);
  }
}

/** What the permissions allow. */
export class Permissions {
  private readonly allowed: Map<string, Record<string, unknown>>;

  constructor(permissions: Permission[]) {
    this.allowed = new Map(
      permissions.map(({ instance }) => [
        instance.key.publicId,
        Object.fromEntries(instance.param.map(({ key, value }) => [key, plain(value)])),
      ]),
    );
  }

  get names(): string[] {
    return [...this.allowed.keys()];
  }

  /** As the sandbox's `queryPermission`. */
  query(name: string, ...details: string[]): boolean {
    const params = this.allowed.get(name);
    const [subject = "", right = ""] = details;
    const row = (key: string, field: string) =>
      (params?.[key] as Record<string, unknown>[] | undefined)?.find((entry) => entry[field] === subject)?.[right] === true;
    switch (name) {
      case "access_globals":
        return row("keys", "key");
      case "access_consent":
        return row("consentTypes", "consentType");
      case "inject_script":
        return matches((params?.urls ?? []) as string[], subject);
      case "read_data_layer":
        return params?.allowedKeys === "any" || ((params?.keyPatterns ?? []) as string[]).includes(subject);
      case "logging":
        return params !== undefined;
      default:
        return false;
    }
  }

  need(name: string, ...details: string[]): void {
    assert.ok(this.query(name, ...details), `the template has no permission: ${name} ${details.join(" ")}`);
  }
}

/** Match patterns of addresses: `*` stands for anything; a path ends where the pattern does. */
function matches(patterns: string[], address: string): boolean {
  return patterns.some((pattern) => {
    assert.ok(pattern.startsWith("https://"), `${pattern}: only https may be injected`);
    const expression = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
    return new RegExp(`^${expression}$`).test(address);
  });
}

type Api = (...values: unknown[]) => unknown;

/** A page as far as the template sees it. */
export interface World {
  window: Record<string, unknown>;
  dataLayer: Record<string, unknown>;
  consent: Record<string, boolean>;
  /** What was loaded, and whether loading succeeds. */
  loaded: string[];
  loads: boolean;
  listeners: ((type: string, granted: boolean) => void)[];
  log: unknown[][];
}

export const world = (): World => ({ window: {}, dataLayer: {}, consent: {}, loaded: [], loads: true, listeners: [], log: [] });

/** The sandbox's own APIs. */
export function apis(page: World, permissions: Permissions): Record<string, Api> {
  const at = (path: string) =>
    path.split(".").reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], page.window);
  return {
    // "If the function does not exist, a new function is set there that pushes its
    // arguments onto the array at the second path."
    createArgumentsQueue(functionPath, arrayPath) {
      const [name, list] = [String(functionPath), String(arrayPath)];
      for (const right of ["read", "write"]) {
        permissions.need("access_globals", name, right);
        permissions.need("access_globals", list, right);
      }
      permissions.need("access_globals", name, "execute");
      const existing = at(name);
      if (existing) return existing;
      const fresh = Object.assign(
        function (...values: unknown[]) {
          (at(list) as { push: (call: unknown[]) => void }).push(values);
        },
        { [list.slice(name.length + 1)]: [] as unknown[] },
      );
      page.window[name] = fresh;
      return fresh;
    },
    injectScript(url, onSuccess, onFailure) {
      permissions.need("inject_script", String(url));
      page.loaded.push(String(url));
      (page.loads ? (onSuccess as Api) : (onFailure as Api))();
    },
    isConsentGranted(type) {
      permissions.need("access_consent", String(type), "read");
      return page.consent[String(type)] ?? true;
    },
    addConsentListener(type, listener) {
      permissions.need("access_consent", String(type), "read");
      page.listeners.push(listener as (type: string, granted: boolean) => void);
    },
    copyFromDataLayer(key) {
      permissions.need("read_data_layer", String(key));
      return structuredClone<unknown>(page.dataLayer[String(key)]);
    },
    logToConsole(...values) {
      permissions.need("logging");
      page.log.push(values);
    },
    queryPermission: (name, ...details) => permissions.query(String(name), ...details.map(String)),
    getType: (value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value),
    makeString: (value) => String(value),
    makeTableMap(rows, keyColumn, valueColumn) {
      if (!Array.isArray(rows) || rows.length === 0) return null;
      return Object.fromEntries<unknown>((rows as Record<string, unknown>[]).map((row) => [String(row[String(keyColumn)]), row[String(valueColumn)]]));
    },
  };
}

/** Runs sandboxed code, in strict mode and with nothing else in reach. */
function evaluate(code: string, names: Record<string, unknown>): unknown {
  const parameters = Object.keys(names);
  const work = vm.runInNewContext(`(function(${parameters.join(",")}) { "use strict";\n${code}\n})`) as Api;
  return work(...Object.values(names));
}

/** Runs a tag's code with its fields. */
export function run(code: string, fields: Record<string, unknown>, given: Record<string, Api>): void {
  const require = (name: string) => given[name] ?? assert.fail(`the sandbox has no API ${name}`);
  evaluate(code, { data: fields, require });
}

/** Runs one scenario of the template's own tests. */
export function runScenario(template: string, setup: string, scenario: string, permissions: Permissions): void {
  const mocked: Record<string, unknown> = {};
  const called = new Map<string, unknown[][]>();
  const watched = (name: string, work: Api): Api => (...values) => {
    called.set(name, [...(called.get(name) ?? []), values]);
    return work(...values);
  };
  const real = apis(world(), permissions);
  const api = (name: string): Api => {
    const mock = mocked[name];
    if (!(name in mocked)) return real[name] ?? assert.fail(`the sandbox has no API ${name}`);
    return typeof mock === "function" ? (mock as Api) : () => mock;
  };
  evaluate(`${setup}\n${scenario}`, {
    require: (name: string) => watched(name, api(name)),
    mock: (name: string, value: unknown) => {
      assert.ok(name in real, `the sandbox has no API ${name}`);
      mocked[name] = value;
    },
    runCode: (fields: Record<string, unknown>) => {
      const tag = { ...fields, gtmOnSuccess: watched("gtmOnSuccess", () => undefined), gtmOnFailure: watched("gtmOnFailure", () => undefined) };
      evaluate(template, { data: tag, require: (name: string) => watched(name, (...values) => api(name)(...values)) });
    },
    assertThat: (actual: unknown) => ({
      // By value: it comes from another realm.
      isEqualTo: (expected: unknown) => assert.deepEqual(copy(actual), copy(expected)),
    }),
    assertApi: (name: string) => ({
      wasCalled: () => assert.ok(called.has(name), `${name} was not called`),
      wasNotCalled: () => assert.ok(!called.has(name), `${name} was called`),
    }),
  });
}

/** The same in this realm; `undefined` stays told from what is absent. */
function copy(value: unknown): unknown {
  if (Array.isArray(value)) return Array.from<unknown, unknown>(value, copy);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, copy(held)]));
}
