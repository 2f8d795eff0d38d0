/** Events arrive, once, whatever becomes of page and network. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { SNIPPET, snippet } from "./site.js";
import { call, has, of, server, stored, types, visit } from "./visit.js";

visit(
  "the last click before a page goes arrives, though no page comes after it",
  { "/": `${SNIPPET}<a id=away href=/end>Away</a>`, "/end": "end" },
  async ({ page, open, events, site }) => {
    await open("/");
    await page.click("#away");
    await page.waitForURL("**/end");
    const got = await events(has("click", "page_view"));
    assert.deepEqual(types(got), ["page_view", "click"]);
    assert.ok(site.seen.every((request) => request.status === 202));
  },
);

visit(
  "a tab that is closed at once has told its page view",
  { "/": SNIPPET },
  async ({ context, site }) => {
    const tab = await context.newPage();
    await tab.goto(`${site.url}/`);
    await tab.waitForFunction(() => localStorage.length > 1);
    const id = (await context.cookies())[0]!.value;
    await tab.close({ runBeforeUnload: true });
    assert.deepEqual(types(await server.events(id, has("page_view"))), ["page_view"]);
  },
);

visit(
  "what is done offline arrives once the network is back, once",
  { "/": SNIPPET },
  async ({ context, page, open, events, site }) => {
    await open("/");
    await events(has("page_view"));
    await context.setOffline(true);
    for (let number = 0; number < 30; number++) await call(page, "track", "offline_step", { number });
    await sleep(3_500);
    assert.equal(site.seen.length, 1, "nothing gets out while offline");
    await context.setOffline(false);
    const got = await events((all) => of(all, "offline_step").length >= 30);
    assert.deepEqual(of(got, "offline_step").map((event) => event.properties.number).sort((a, b) => Number(a) - Number(b)), [...Array(30).keys()]);
    await sleep(1_500);
    assert.deepEqual((await stored(page)).filter((name) => name.includes("event.")), []);
    assert.equal((await events(() => true)).length, 31);
  },
);

visit(
  "events outlive a page that could not send them, and an answer that was lost",
  { "/": SNIPPET, "/next": SNIPPET },
  async ({ page, open, events, site }) => {
    site.fate = "unanswered";
    await open("/");
    await call(page, "track", "sent_twice");
    await sleep(1_500);
    assert.ok(site.seen.length > 0 && site.seen.every((request) => request.status === 202), "the server has them; the page does not know");
    site.fate = "unsent";
    await call(page, "track", "sent_late");
    await open("/next");
    site.fate = "pass";
    const got = await events(has("sent_twice", "sent_late"));
    await sleep(2_500);
    assert.deepEqual((await stored(page)).filter((name) => name.includes("event.")), []);
    const all = await events(() => true);
    assert.deepEqual(types(all).sort(), ["page_view", "page_view", "sent_late", "sent_twice"]);
    assert.equal(new Set(all.map((event) => event.event_id)).size, all.length);
    assert.ok(got.length > 0);
    const answers = site.seen.map((request) => JSON.parse(request.answer ?? "{}") as { duplicates?: number });
    assert.ok(answers.some(({ duplicates = 0 }) => duplicates > 0), "the server was sent an event again and knew it");
  },
);

visit(
  "a server that refuses for a while is asked again after the time it names, and each time later",
  { "/": SNIPPET },
  async ({ open, events, site, faults }) => {
    site.fate = { status: 503, headers: { "Retry-After": "3" } };
    await open("/");
    await sleep(3_000);
    assert.equal(site.seen.length, 1, "asked once, then told to wait 3 s");
    site.fate = { status: 500 };
    await sleep(2_500);
    site.fate = "pass";
    await events(has("page_view"));
    assert.ok(faults.splice(0).every((fault) => fault.startsWith("signalpost")));
  },
);

visit(
  "a wrong key is said in the console, keeps the events and is not insisted on",
  { "/": SNIPPET.replace(/data-key="[^"]*"/, 'data-key="wrong"') },
  async ({ page, open, site, faults }) => {
    await open("/");
    await sleep(3_000);
    assert.ok(site.seen.length <= 3, `${site.seen.length} requests in 3 s`);
    assert.match(faults.splice(0)[0] ?? "", /wrong_key/);
    assert.equal((await stored(page)).filter((name) => name.includes("event.")).length, 1);
  },
);

visit(
  "of more than 500 waiting events the oldest give way; the rest go in batches, one after the other",
  { "/": snippet('data-auto=""') },
  async ({ page, open, events, site }) => {
    await open("/");
    site.fate = "unsent";
    for (let number = 0; number < 520; number++) await call(page, "track", "many", { number });
    assert.equal((await stored(page)).filter((name) => name.includes("event.")).length, 500);
    site.fate = "pass";
    await page.evaluate(() => dispatchEvent(new Event("online")));
    const got = await events((all) => all.length >= 500);
    assert.deepEqual(got.map((event) => Number(event.properties.number)).sort((a, b) => a - b), Array.from({ length: 500 }, (_, index) => index + 20));
    assert.ok(site.seen.every((request) => request.body.length < 21_000));
  },
);

visit(
  "two tabs of one site lose nothing to each other",
  { "/": SNIPPET },
  async ({ context, page, open, events, site }) => {
    await open("/");
    const second = await context.newPage();
    await second.goto(`${site.url}/`);
    await events((all) => all.length === 2);
    site.fate = "unsent";
    for (let number = 0; number < 10; number++) {
      await call(page, "track", "both", { number });
      await call(second, "track", "both", { number: 100 + number });
    }
    await second.close();
    await sleep(500);
    site.fate = "pass";
    await open("/");
    const got = await events((all) => of(all, "both").length >= 20);
    assert.equal(of(got, "both").length, 20);
  },
);
