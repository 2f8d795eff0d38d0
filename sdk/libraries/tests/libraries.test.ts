/**
 * The published client libraries, unmodified, with nothing set but the host:
 * each delivers every call it has, once, and each call stands in the timeline of
 * the person it is about.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { Analytics } from "@segment/analytics-node";
import RudderAnalytics from "@rudderstack/rudder-sdk-node";
import { binary, startServer, WRITE_KEY, type Server } from "../../browser/tests/server.js";

const run = promisify(execFile);
const path = binary();
const python = fileURLToPath(new URL("../../../libraries/python/", import.meta.url));
/** Beside the bundles of the tests, which are made anew each time. */
const environment = fileURLToPath(new URL("../../../.venv/", import.meta.url));

/** What each library is asked to do, as Signalpost names it. */
const CALLS = ["alias", "group", "identify", "page_view", "product_view", "purchase", "screen_view"];

interface Done {
  event_id: string;
  event_type: string;
  properties: Record<string, unknown>;
  traits: Record<string, unknown>;
}

describe("published libraries", { skip: path === undefined && "there is no server: build it, or name it in SIGNALPOST_BIN" }, () => {
  let server: Server;
  before(async () => {
    server = await startServer(path!);
  });
  after(() => server.stop());

  /** A person's timeline once it has `count` events, oldest first, and no more come. */
  async function timeline(person: string, count: number): Promise<Done[]> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const { events } = (await server.ask(`/api/profiles/${person}/timeline`).catch(() => ({ events: [] }))) as { events: Done[] };
      if (events.length >= count) {
        await sleep(300);
        const again = (await server.ask(`/api/profiles/${person}/timeline`)) as { events: Done[] };
        return again.events.reverse();
      }
      assert.ok(Date.now() < deadline, `after 20 s ${person} has ${JSON.stringify(events.map((event) => event.event_type))}`);
      await sleep(50);
    }
  }

  function check(events: Done[]) {
    assert.deepEqual(events.map((event) => event.event_type).sort(), CALLS);
    const one = (type: string) => events.find((event) => event.event_type === type)!;
    assert.deepEqual([one("identify").traits.email, one("identify").traits.age], ["jane@example.com", 31]);
    assert.equal(one("product_view").properties.price, 19.9);
    assert.equal(one("purchase").properties.revenue, 42);
    assert.equal(one("group").properties.group_id, "g-1");
    assert.equal(new Set(events.map((event) => event.event_id)).size, CALLS.length);
  }

  test("@segment/analytics-node", async () => {
    const failures: unknown[] = [];
    const analytics = new Analytics({ writeKey: WRITE_KEY, host: server.url, maxRetries: 0 });
    analytics.on("error", (error) => failures.push(error));
    const userId = "segment-node";
    analytics.identify({ userId, traits: { email: "jane@example.com", age: 31 } });
    analytics.track({ userId, event: "Product Viewed", properties: { product_id: "A1X2", price: 19.9 } });
    analytics.track({ userId, event: "Order Completed", properties: { order_id: "o-1", revenue: 42 } });
    analytics.page({ userId, category: "Docs", name: "Node", properties: { url: "https://shop.example/docs" } });
    analytics.screen({ userId, name: "Home" });
    analytics.group({ userId, groupId: "g-1", traits: { plan: "pro" } });
    analytics.alias({ userId, previousId: "segment-node-before" });
    await analytics.closeAndFlush({ timeout: 10_000 });
    assert.deepEqual(failures, []);
    check(await timeline(userId, CALLS.length));
  });

  test("@rudderstack/rudder-sdk-node", async () => {
    const analytics = new RudderAnalytics(WRITE_KEY, { dataPlaneUrl: server.url, flushInterval: 200, logLevel: "error" });
    const userId = "rudder-node";
    analytics.identify({ userId, traits: { email: "jane@example.com", age: 31 } });
    analytics.track({ userId, event: "Product Viewed", properties: { product_id: "A1X2", price: 19.9 } });
    analytics.track({ userId, event: "Order Completed", properties: { order_id: "o-1", revenue: 42 } });
    analytics.page({ userId, name: "Docs", properties: { url: "https://shop.example/docs" } });
    analytics.screen({ userId, name: "Home" });
    analytics.group({ userId, groupId: "g-1", traits: { plan: "pro" } });
    analytics.alias({ userId, previousId: "rudder-node-before" });
    await analytics.flush();
    check(await timeline(userId, CALLS.length));
  });

  for (const [name, extra] of [["segment-analytics-python", []], ["segment-analytics-python with gzip", ["gzip"]]] as const) {
    test(name, async () => {
      if (!existsSync(`${environment}bin/python`)) await run("python3", ["-m", "venv", environment]);
      await run(`${environment}bin/pip`, ["install", "--quiet", "--disable-pip-version-check", "-r", `${python}requirements.txt`]);
      const person = extra.length ? "segment-python-gzip" : "segment-python";
      await run(`${environment}bin/python`, [`${python}send.py`, server.url, WRITE_KEY, person, ...extra], { timeout: 60_000 });
      check(await timeline(person, CALLS.length));
    });
  }
});
