/** The SDK in Chromium, on pages of a small site, before the real server. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { binary, startServer, WRITE_KEY, type Server, type Told } from "./server.js";
import { SNIPPET, snippet, startSite, type Site } from "./site.js";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const path = binary();
const skip = !path
  ? "SKIPPED: no Signalpost server: set SIGNALPOST_BIN, or build target/release/signalpost"
  : !existsSync(executablePath)
    ? `SKIPPED: no browser at ${executablePath}: install chromium, or set CHROMIUM`
    : false;
if (skip) console.error(skip);

/**
 * Headless Chromium's own name is a bot's, which the server refuses. Given to
 * the whole browser: a page's own setting is gone when the page is.
 */
const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const TALL = "<div style='height:3000px'></div>";

let server: Server;
let browser: Browser;
before(async () => {
  if (skip) return;
  server = await startServer(path!);
  browser = await chromium.launch({
    executablePath,
    args: [
      `--user-agent=${userAgent}`,
      "--host-resolver-rules=MAP *.shop.test 127.0.0.1",
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
});
after(async () => {
  if (skip) return;
  await browser.close();
  await server.stop();
});

interface Visit {
  site: Site;
  context: BrowserContext;
  page: Page;
  /** What went wrong in the page's code, and what the console warned of. */
  faults: string[];
  /** Opens a page of the site. */
  open: (address: string) => Promise<void>;
  /** The browser's id, from its cookie. */
  id: () => Promise<string>;
  /** The events of this browser, once `until` holds. */
  events: (until: (events: Told[]) => boolean) => Promise<Told[]>;
}

/** Runs `body` as a visitor of a site of its own. */
function visit(name: string, pages: Site["pages"], body: (visit: Visit) => Promise<void>, options?: BrowserContextOptions): void {
  test(name, { skip, timeout: 90_000 }, async () => {
    const site = await startSite(server.url, pages);
    const context = await browser.newContext({ locale: "en-GB", ...options });
    const faults: string[] = [];
    const watch = (page: Page) => {
      page.setDefaultTimeout(20_000);
      page.on("pageerror", (error) => faults.push(error.message));
      page.on("console", (message) => {
        if (/signalpost|content security policy/i.test(message.text())) faults.push(message.text());
      });
    };
    context.on("page", watch);
    const page = await context.newPage();
    const id = async () => {
      const cookie = (await context.cookies()).find(({ name: cookieName }) => cookieName === "sp_id");
      assert.ok(cookie, "there is no sp_id cookie");
      return cookie.value;
    };
    try {
      await body({
        site,
        context,
        page,
        faults,
        id,
        open: async (address) => {
          await page.goto(site.url + address);
        },
        events: async (until) => server.events(await id(), until),
      });
      assert.deepEqual(faults, []);
    } finally {
      await context.close();
      await site.stop();
    }
  });
}

const types = (events: Told[]) => events.map((event) => event.event_type);
const has = (...wanted: string[]) => (events: Told[]) => wanted.every((type) => types(events).includes(type));
const of = (events: Told[], type: string) => events.filter((event) => event.event_type === type);
const one = (events: Told[], type: string) => {
  const found = of(events, type);
  assert.equal(found.length, 1, `one ${type} expected, got ${types(events).join(", ")}`);
  return found[0]!;
};
/** Calls the SDK as a page does. */
const call = (page: Page, ...values: unknown[]) =>
  page.evaluate((given) => (window as unknown as { signalpost: (...values: unknown[]) => void }).signalpost(...given), values);
/** What is kept in the page's local storage. */
const stored = (page: Page) => page.evaluate(() => Object.keys(localStorage));

visit(
  "page views, clicks, scroll depth and forms are recorded, and no value that was typed",
  {
    "/": `<title>Shop</title>${SNIPPET}
      <a id=help href="https://help.example/topics?token=secret-query">Get   help</a>
      <button id=menu type=button>Menu</button> <p id=text>Nothing to click</p>
      <a id=write href="mailto:jane@example.com">Write</a>
      <div data-signalpost-ignore><button id=private type=button>Balance 4,000</button></div>
      <form id=signup name=newsletter action="/done?secret-query"><input name=id value=7><input name=email><input type=checkbox name=terms>
      <select name=plan><option>pro</select><button>Send</button></form>${TALL}`,
  },
  async ({ page, open, events, site }) => {
    await open("/?utm_source=mail");
    await page.evaluate(() => document.addEventListener("click", (event) => event.preventDefault()));
    await page.evaluate(() => document.addEventListener("submit", (event) => event.preventDefault()));
    for (const element of ["#help", "#menu", "#text", "#write", "#private"]) await page.click(element);
    await page.fill("[name=email]", "secret-typed@example.com");
    await page.evaluate(() => document.forms[0]!.requestSubmit());
    for (const share of [0.3, 0.6, 1]) {
      await page.evaluate((part) => scrollTo(0, (document.documentElement.scrollHeight - innerHeight) * part), share);
      await sleep(50);
    }
    const got = await events((all) => of(all, "scroll").length === 4 && of(all, "click").length >= 3);

    const viewed = one(got, "page_view");
    // The server takes the campaign out of the address.
    assert.deepEqual(viewed.properties, { path: "/", url: `${site.url}/`, title: "Shop", referrer: "" });
    assert.equal(viewed.context.locale, "en-GB");
    assert.match(viewed.context.library!, /^signalpost-browser\/\d/);
    assert.equal(viewed.context.gpc, false);
    assert.ok(Math.abs(Date.parse(viewed.timestamp) - Date.now()) < 60_000);

    assert.deepEqual(of(got, "click").map((event) => event.properties), [
      { tag: "a", id: "help", text: "Get   help", href: "https://help.example/topics", outbound: true },
      { tag: "button", id: "menu", text: "Menu", outbound: false },
      { tag: "a", id: "write", text: "Write", href: "mailto:", outbound: false },
    ]);
    assert.deepEqual(one(got, "form_submit").properties, {
      form_id: "signup",
      form_name: "newsletter",
      fields: ["id", "email", "terms", "plan"],
    });
    assert.deepEqual(of(got, "scroll").map((event) => event.properties.depth), [25, 50, 75, 100]);
    assert.ok(site.seen.every((request) => !/secret-|jane@|4,000/.test(request.body)), "something private was sent");
    assert.ok(site.seen.length < got.length, "events go in batches");
  },
);

visit(
  "what marketers write on elements becomes an event of theirs",
  {
    "/": `${SNIPPET}<div data-signalpost-event=banner_seen_closely data-signalpost-product-id=007 data-signalpost-place=top><b id=in>Look</b></div>
      <form data-signalpost-event=quote_asked data-signalpost-plan=pro><input name=company><button id=ask>Ask</button></form>
      <x-card></x-card><script>document.addEventListener("submit", (event) => event.preventDefault());
      document.querySelector("x-card").attachShadow({mode:"open"}).innerHTML="<button data-signalpost-event=card_opened>Open</button>";</script>`,
  },
  async ({ page, open, events }) => {
    await open("/");
    await page.click("#in");
    await page.click("x-card button");
    await page.click("#ask");
    const got = await events(has("banner_seen_closely", "card_opened", "quote_asked"));
    const banner = one(got, "banner_seen_closely");
    assert.equal(banner.product_id, "007");
    assert.equal(banner.properties.place, "top");
    assert.equal(one(got, "card_opened").properties.text, "Open");
    const { plan, fields } = one(got, "quote_asked").properties;
    assert.deepEqual({ plan, fields }, { plan: "pro", fields: ["company"] });
    assert.equal(of(got, "form_submit").length, 0);
    // The button that sends the form is a click like any other.
    assert.deepEqual(of(got, "click").map((event) => event.properties.id), ["ask"]);
  },
);

visit(
  "a single-page application's views are recorded with their titles and where they came from",
  { "/": `<title>Home</title>${SNIPPET}${TALL}`, "/end": "end" },
  async ({ page, open, events, site }) => {
    await open("/");
    await page.evaluate(() => {
      history.pushState({}, "", "/product");
      // As routers do: once more, and the title when the page is drawn.
      history.replaceState({}, "", "/product?colour=red");
      setTimeout(() => (document.title = "Product"), 10);
    });
    await sleep(150);
    await page.evaluate(() => scrollTo(0, 1_500));
    await page.evaluate(() => (location.hash = "reviews"));
    await sleep(150);
    await page.goBack();
    await page.goBack();
    await sleep(150);
    await page.evaluate(() => history.pushState({}, "", "/last"));
    // Away before the address has settled.
    await page.goto(`${site.url}/end`);
    const got = await events((all) => of(all, "page_view").length >= 4);
    assert.deepEqual(
      of(got, "page_view").map((event) => [event.properties.path, event.properties.title]),
      [["/", "Home"], ["/product", "Product"], ["/", "Product"], ["/last", "Product"]],
    );
    assert.equal(of(got, "page_view")[1]!.properties.referrer, `${site.url}/`);
    assert.equal(of(got, "page_view")[1]!.properties.url, `${site.url}/product?colour=red`);
    assert.ok(of(got, "scroll").some((event) => event.context.page?.url === `${site.url}/product?colour=red`));
  },
);

visit(
  "with data-hash, another fragment is another page",
  { "/": snippet('data-hash="true"') },
  async ({ page, open, events }) => {
    await open("/#/one");
    await page.evaluate(() => (location.hash = "/two"));
    const got = await events((all) => of(all, "page_view").length === 2);
    assert.deepEqual(got.map((event) => String(event.properties.url).split("#")[1]), ["/one", "/two"]);
  },
);

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
  "a person is known until they sign out; their earlier visit is theirs",
  { "/": SNIPPET, "/next": SNIPPET },
  async ({ page, open, events, id }) => {
    await open("/");
    const device = await id();
    await call(page, "identify", "jane-1", { email: "jane@example.com", plan: "pro" });
    await open("/next");
    await events((all) => of(all, "page_view").length === 2);
    await call(page, "reset");
    await call(page, "track", "by_somebody_else");
    assert.notEqual(await id(), device);
    const other = await events(has("by_somebody_else"));
    assert.equal(other[0]!.customer_id, null);
    assert.notEqual(other[0]!.context.session_id, undefined);
    const own = await server.events(device, (all) => all.length === 3);
    assert.deepEqual(own.map((event) => event.customer_id), ["jane-1", "jane-1", "jane-1"]);
    assert.notEqual(own[0]!.context.session_id, other[0]!.context.session_id);
    const profile = (await server.ask("/api/profiles/jane-1")) as { traits: object; anonymous_ids: string[]; timeline: Told[] };
    assert.deepEqual(profile.traits, { email: "jane@example.com", plan: "pro" });
    assert.deepEqual(profile.anonymous_ids, [device]);
    assert.equal(profile.timeline.length, 3);
  },
);

visit(
  "shop calls fill the server's cart and orders; a reloaded confirmation counts once",
  {
    "/": SNIPPET,
    "/thanks": `${SNIPPET}<script>signalpost("purchase", { order_id: 1001, currency: "EUR", total: 45, items: [
      { product_id: "A1", price: 10, quantity: 2 }, { product_id: "B2", price: 20 }] })</script>`,
  },
  async ({ page, open, events }) => {
    await open("/");
    await call(page, "identify", "shopper-1");
    await call(page, "productView", { product_id: "A1", name: "Mug", category: "Kitchen", price: 10, currency: "EUR" });
    await call(page, "addToCart", { product_id: "A1", price: 10, quantity: 2 });
    await call(page, "addToCart", { product_id: "B2", price: 20 });
    await call(page, "addToCart", { product_id: "C3" });
    await call(page, "removeFromCart", { product_id: "C3" });
    await call(page, "checkoutStarted", { total: 45, currency: "EUR" });
    await events(has("checkout_started", "remove_from_cart"));
    interface Profile { computed: Record<string, unknown>; cart: { product_id: string; quantity: number }[] }
    const before = (await server.ask("/api/profiles/shopper-1")) as Profile;
    assert.deepEqual(before.cart.map((line) => [line.product_id, line.quantity]).sort(), [["A1", 2], ["B2", 1]]);
    assert.equal(before.computed.recent_view_category, "Kitchen");
    await open("/thanks");
    await events((all) => of(all, "purchase").length === 2);
    await open("/thanks");
    const got = await events((all) => of(all, "page_view").length === 3);
    await sleep(1_500);
    assert.deepEqual(of(got, "purchase").map((event) => [event.product_id, event.properties.order_total, event.properties.order_id]), [["A1", 45, 1001], ["B2", 45, 1001]]);
    const after = (await server.ask("/api/profiles/shopper-1")) as Profile;
    assert.deepEqual([after.computed.orders, after.computed.total_spent, after.cart], [1, 40, []]);
  },
);

visit(
  "a session keeps its campaign and referrer over pages, and another campaign begins another",
  { "/": SNIPPET, "/next": SNIPPET },
  async ({ page, open, events, site }) => {
    await page.goto(`${site.url}/?utm_source=mail&utm_medium=email&utm_campaign=spring&ref=1`, { referer: "https://news.example/story?who=jane" });
    await open("/next");
    await page.goto(`${site.url}/?utm_source=mail&utm_medium=email&utm_campaign=spring&ref=1`);
    await events((all) => all.length === 3);
    await open("/?utm_source=search");
    const sessions = (await events((all) => all.length === 4)).map((event) => event.context);
    assert.deepEqual(sessions[0]!.campaign, { source: "mail", medium: "email", name: "spring" });
    assert.match(sessions[0]!.referrer!, /^https:\/\/news\.example\/(story)?$/);
    assert.deepEqual(sessions[1]!.campaign, sessions[0]!.campaign);
    assert.deepEqual([sessions[1]!.session_id, sessions[2]!.session_id], [sessions[0]!.session_id, sessions[0]!.session_id]);
    assert.notEqual(sessions[3]!.session_id, sessions[0]!.session_id);
    assert.deepEqual(sessions[3]!.campaign, { source: "search" });
    // After half an hour without an event.
    await page.evaluate(() => {
      const name = Object.keys(localStorage).find((key) => key.endsWith("seen"))!;
      localStorage.setItem(name, String(Number(localStorage.getItem(name)) - 1_801_000));
    });
    await call(page, "track", "later");
    const later = one(await events(has("later")), "later").context;
    assert.notEqual(later.session_id, sessions[3]!.session_id);
    // The SDK says none; the server reads the one in the page's own address.
    assert.deepEqual(later.campaign, { source: "search" });
  },
);

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
  "a strict content security policy is enough",
  {
    "/": {
      html: `<script async src=/js/signalpost.js data-key=${WRITE_KEY}></script><button id=go>Go</button>`,
      headers: { "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'; base-uri 'none'" },
    },
  },
  async ({ page, open, events }) => {
    await open("/");
    await page.waitForFunction(() => "signalpost" in window);
    await page.click("#go");
    await events(has("page_view", "click"));
  },
);

visit(
  "calls made before the script loads wait, and `init` in the queue starts it",
  {
    "/": `${SNIPPET.split("\n")[0]!}<script>
      signalpost("track", "early", { when: "before init" });
      const stub = signalpost; stub("init", { key: "${WRITE_KEY}", auto: ["click"] });
      addEventListener("load", () => { stub("track", "late", { through: "the stub" }); signalpost("nonsense"); signalpost("track", "last"); });
      </script><script src=/js/signalpost.js></script><script src=/js/signalpost.js></script>`,
  },
  async ({ open, events }) => {
    await open("/");
    const got = await events(has("early", "late", "last"));
    assert.deepEqual(types(got), ["early", "late", "last"]);
  },
);

visit(
  "the module starts once, and `before` changes events or leaves them out",
  {
    "/": `<script type=module>import { init } from "/js/index.js";
      const settings = { key: "${WRITE_KEY}", auto: ["page_view"],
        before: (event) => event.event_type === "noise" ? null : { ...event, properties: { ...event.properties, seen: true } } };
      window.same = init(settings) === (window.client = init(settings));
      client.track("noise"); client.track("kept", { product_id: 12 }); client.page({ section: "extra" });</script>`,
  },
  async ({ page, open, events }) => {
    await open("/");
    const got = await events((all) => all.length === 3);
    assert.equal(await page.evaluate(() => (window as unknown as { same: boolean }).same), true);
    assert.deepEqual(types(got).sort(), ["kept", "page_view", "page_view"]);
    assert.ok(got.every((event) => event.properties.seen === true));
    assert.equal(one(got, "kept").product_id, "12");
    assert.equal(of(got, "page_view")[1]!.properties.section, "extra");
  },
);

visit(
  "from another origin, with the server's leave, script and events go there",
  {},
  async ({ page, site, faults }) => {
    const tag = SNIPPET.replace("/js/", `${site.url}/js/`);
    const other = await startSite(server.url, { "/": `${tag}<a id=away href=/end>Away</a>`, "/end": "end" });
    site.allowed = [other.url];
    // Longer than the page lives after its last click.
    site.preflightMs = 500;
    try {
      await page.goto(`${other.url}/`);
      const id = /sp_id=([^;]+)/.exec(await page.evaluate(() => document.cookie))![1]!;
      await page.click("#away");
      await page.waitForURL("**/end");
      await server.events(id, has("page_view", "click"));
      assert.equal(other.seen.length, 0);
      assert.deepEqual(faults, []);
    } finally {
      await other.stop();
    }
  },
);

visit(
  "a page that is prepared in advance counts when it is shown, one kept by the browser when it is shown again",
  { "/": `<script>window.ahead = true; Object.defineProperty(document, "prerendering", { get: () => ahead }); window.show = () => { ahead = false; document.dispatchEvent(new Event("prerenderingchange")); };</script>${SNIPPET}` },
  async ({ context, page, open, events, site }) => {
    await open("/");
    await sleep(1_500);
    assert.equal(site.seen.length, 0);
    assert.deepEqual(await context.cookies(), []);
    await page.evaluate(() => (window as unknown as { show: () => void }).show());
    await events(has("page_view"));
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
    await events((all) => of(all, "page_view").length === 2);
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
