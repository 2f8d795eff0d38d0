/** What is recorded of a page by itself: views, clicks, scroll depth, forms, attributes. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { SNIPPET, snippet } from "./site.js";
import { has, of, one, TALL, visit } from "./visit.js";

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
  "what happens within one millisecond keeps its order",
  { "/": SNIPPET },
  async ({ page, open, events }) => {
    await open("/");
    await page.evaluate(() => {
      const { signalpost } = window as unknown as { signalpost: (...values: unknown[]) => void };
      for (let step = 0; step < 20; step++) signalpost("track", "step", { step });
    });
    const got = await events((all) => of(all, "step").length === 20);
    assert.deepEqual(of(got, "step").map((event) => event.properties.step), Array.from({ length: 20 }, (_, step) => step));
    assert.ok(of(got, "step").every((event) => Math.abs(Date.parse(event.timestamp) - Date.now()) < 60_000));
  },
);
