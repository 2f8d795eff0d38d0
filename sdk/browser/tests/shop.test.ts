/** People, sessions and what they buy. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type Told } from "./server.js";
import { SNIPPET } from "./site.js";
import { call, has, of, one, server, visit } from "./visit.js";

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
