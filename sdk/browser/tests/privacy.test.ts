/** Consent, cookies and storage. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { WRITE_KEY, type Told } from "./server.js";
import { SNIPPET, snippet } from "./site.js";
import { call, has, of, one, server, stored, types, visit } from "./visit.js";

visit(
  "while consent is pending nothing is stored or sent; a grant lets go what waited, a refusal forgets it all",
  { "/": snippet('data-consent="pending"'), "/next": snippet('data-consent="pending"'), "/anew": snippet('data-consent="pending" data-remember=""') },
  async ({ context, page, open, events, site }) => {
    await open("/?utm_source=mail&utm_campaign=spring");
    await call(page, "identify", "consent-customer", { plan: "pro" });
    await call(page, "track", "while_pending");
    await sleep(1_600);
    assert.equal(site.seen.length, 0);
    assert.deepEqual(await context.cookies(), []);
    assert.deepEqual(await stored(page), []);
    // The page goes and comes: still nothing.
    await open("/next");
    await open("/?utm_source=mail&utm_campaign=spring");
    assert.equal(site.seen.length, 0);
    await call(page, "track", "while_pending");
    const asked = Date.now();
    await sleep(300);
    await call(page, "consent", "granted", { analytics: true, marketing: false });
    const got = await events(has("consent", "while_pending", "page_view"));
    assert.deepEqual(types(got), ["page_view", "while_pending", "consent"]);
    assert.deepEqual(one(got, "consent").properties, { analytics: true, marketing: false });
    assert.ok(Date.parse(one(got, "while_pending").timestamp) <= asked, "it keeps the time it was done");
    assert.deepEqual(one(got, "page_view").context.campaign, { source: "mail", name: "spring" });

    // The grant is remembered.
    await open("/next");
    await events((all) => of(all, "page_view").length === 2);
    const sent = site.seen.length;
    // But where each page is told anew.
    await open("/anew");
    await sleep(1_500);
    assert.equal(site.seen.length, sent);
    await open("/next");
    await events((all) => of(all, "page_view").length === 3);
    await page.waitForFunction(() => !Object.keys(localStorage).some((key) => key.includes("event.")));
    const all = site.seen.length;
    await call(page, "track", "refused");
    await call(page, "consent", "denied");
    await call(page, "identify", "nobody");
    await call(page, "track", "refused");
    await open("/next");
    await sleep(1_500);
    assert.equal(site.seen.length, all);
    assert.deepEqual(await context.cookies(), []);
    assert.deepEqual(await stored(page), []);
  },
);

visit(
  "a refusal is remembered where pages begin with consent",
  { "/": SNIPPET },
  async ({ context, page, open, events, site }) => {
    await open("/");
    await events(has("page_view"));
    await call(page, "consent", "denied");
    const sent = site.seen.length;
    await open("/");
    await sleep(1_500);
    assert.equal(site.seen.length, sent);
    assert.deepEqual(await context.cookies(), []);
    assert.deepEqual((await stored(page)).map((name) => name.split(".").at(-1)), ["consent"]);
    await call(page, "consent", "granted");
    await call(page, "track", "back");
    assert.deepEqual(types(await events(has("back"))), ["back"]);
    assert.ok(!(await stored(page)).some((name) => name.endsWith("consent")));
  },
);

for (const [attribute, name, flag] of [
  ["gpc", "globalPrivacyControl", true],
  ["dnt", "doNotTrack", "1"],
] as const) {
  const signalling = `<script>Object.defineProperty(navigator, "${name}", { get: () => ${JSON.stringify(flag)} })</script>`;
  visit(
    `${name} is noted on each event, drops them all, or does nothing, as set`,
    {
      "/": signalling + SNIPPET,
      "/drop": signalling + snippet(`data-${attribute}="drop"`),
      "/ignore": signalling + snippet(`data-${attribute}="ignore"`),
    },
    async ({ context, page, open, events, site }) => {
      await open("/");
      const [flagged] = await events(has("page_view"));
      assert.equal(flagged!.context[attribute], true);
      await open("/ignore");
      const [, ignored] = await events((all) => all.length === 2);
      assert.equal(ignored!.context[attribute], false);
      await page.waitForFunction(() => !Object.keys(localStorage).some((key) => key.includes("event.")));
      const sent = site.seen.length;
      await open("/drop");
      await call(page, "track", "dropped");
      await call(page, "consent", "granted");
      await call(page, "track", "dropped");
      await sleep(1_500);
      assert.equal(site.seen.length, sent);
      assert.deepEqual(await context.cookies(), []);
      assert.deepEqual(await stored(page), []);
    },
  );
}

visit(
  "the server is asked to set the identity cookie, as the settings say",
  { "/": snippet('data-cookie-days="30" data-cookie-prefix="shop_"') },
  async ({ context, page, open, site }) => {
    site.setsCookie = true;
    await open("/");
    await page.waitForFunction(() => !Object.keys(localStorage).some((key) => key.includes("event.")));
    const [cookie] = await context.cookies();
    assert.equal(site.seen[0]!.headers["x-signalpost-cookie"], `shop_id=${cookie!.value}; Path=/; SameSite=Lax; Max-Age=2592000`);
    assert.deepEqual([cookie!.name, cookie!.sameSite, cookie!.path, cookie!.httpOnly], ["shop_id", "Lax", "/", false]);
    assert.ok(Math.abs(cookie!.expires - Date.now() / 1_000 - 2_592_000) < 60);
    assert.ok((await stored(page)).every((name) => name.startsWith("shop_")));
  },
);

visit(
  "a cookie domain shares the browser's id over subdomains",
  { "/": snippet('data-cookie-domain="shop.test"') },
  async ({ context, page, site }) => {
    await page.goto(`${site.url.replace("127.0.0.1", "www.shop.test")}/`);
    await page.waitForFunction(() => document.cookie.includes("sp_id"));
    assert.equal((await context.cookies())[0]!.domain, ".shop.test");
  },
);

visit(
  "where the browser refuses cookies and storage, events go out all the same",
  { "/": `<iframe sandbox="allow-scripts" src="/framed"></iframe>`, "/framed": snippet('data-auto=""') + `<script>for (let n = 0; n < 3; n++) signalpost("track", "framed", { n })</script>` },
  async ({ open, site }) => {
    site.allowed = ["null"];
    await open("/");
    for (let turn = 0; turn < 50 && !site.seen.some((request) => request.status === 202); turn++) await sleep(100);
    const { batch } = JSON.parse(site.seen[0]!.body) as { batch: Told[] };
    assert.equal(batch.length, 3);
    assert.equal(new Set(batch.map((event) => `${String(event.anonymous_id)} ${String(event.context.session_id)}`)).size, 1);
    assert.deepEqual(JSON.parse(site.seen[0]!.answer!), { accepted: 3, duplicates: 0, quarantined: 0, errors: [] });
  },
);

visit(
  "what lies damaged or too old in the browser's storage is let go, and stops nothing",
  { "/": SNIPPET, "/bare": "no SDK here" },
  async ({ page, open, events, site }) => {
    await open("/bare");
    await page.evaluate((key) => {
      const event = (timestamp: string) => JSON.stringify({ event_id: timestamp, event_type: "left_behind", anonymous_id: "left-behind", timestamp, properties: {}, context: {} });
      const at = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
      localStorage.setItem(`sp_${key}.session`, "{");
      localStorage.setItem(`sp_${key}.event.damaged`, "{");
      localStorage.setItem(`sp_${key}.event.old`, event(at(8)));
      localStorage.setItem(`sp_${key}.event.recent`, event(at(2)));
      localStorage.setItem("sp_another-key.event.theirs", "theirs");
    }, WRITE_KEY);
    await open("/");
    await events(has("page_view"));
    const recent = await server.events("left-behind", (all) => all.length > 0);
    assert.equal(recent.length, 1);
    await page.waitForFunction(() => Object.keys(localStorage).filter((key) => key.includes("event.")).length === 1);
    assert.equal(await page.evaluate(() => localStorage.getItem("sp_another-key.event.theirs")), "theirs");
    assert.ok(site.seen.every((request) => request.status === 202));
  },
);
