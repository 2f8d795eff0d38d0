// The page in a real browser against a running server: SIGNALPOST_URL and
// SIGNALPOST_KEY (an admin key) say which. It sends one event of its own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { chromium } from "playwright-core";

const url = (process.env.SIGNALPOST_URL ?? "").replace(/\/$/, "");
const key = process.env.SIGNALPOST_KEY ?? "";
const skip = url && key ? false : "SKIPPED: set SIGNALPOST_URL and SIGNALPOST_KEY to a running server";
if (skip) console.error(skip);

const PAGES = ["Overview", "Segments", "Profiles", "Inbox", "Deliveries", "Quarantine", "SQL"];
const SIZES = [{ width: 1280, height: 820 }, { width: 390, height: 844 }];

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  if (skip) return;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});
after(async () => browser?.close());

/**
 * A page of its own, with what went wrong in it: faults in its code and what
 * the content security policy stopped.
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
async function open(options) {
  const context = await browser.newContext({ viewport: SIZES[0] ?? null, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  /** @type {string[]} */
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (/content security policy/i.test(message.text())) faults.push(message.text());
  });
  return { page, faults, close: () => context.close() };
}

/** @param {import("playwright-core").Page} page */
async function signIn(page) {
  await page.goto(`${url}/#key=${encodeURIComponent(key)}`);
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
}

/** @param {import("playwright-core").Page} page @param {string} name */
async function goTo(page, name) {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  await page.locator(".loading").first().waitFor({ state: "detached" });
}

test("a wrong key is refused in words, the right one lets in", { skip }, async () => {
  const { page, faults, close } = await open();
  await page.goto(`${url}/`);
  await page.getByLabel("Key").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").filter({ hasText: "does not know this key" }).waitFor();
  await page.getByLabel("Key").fill(key);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.deepEqual(faults, []);
  await close();
});

test("the first link's key is taken out of the address", { skip }, async () => {
  const { page, close } = await open();
  await signIn(page);
  assert.equal(page.url(), `${url}/#/overview`);
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await close();
});

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  test(`every page is sound, accessible and fits its screen (${colorScheme})`, { skip }, async () => {
    const { page, faults, close } = await open({ colorScheme });
    await signIn(page);
    for (const size of SIZES) {
      await page.setViewportSize(size);
      for (const name of PAGES) {
        await goTo(page, name);
        assert.deepEqual(await serious(page), [], `${name} at ${size.width}`);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than ${size.width}`);
        assert.equal(await page.locator(".problem").count(), 0, `${name} shows a problem`);
      }
    }
    assert.deepEqual(faults, []);
    await close();
  });
}

/** @param {import("playwright-core").Page} page */
async function serious(page) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run(document, { iframes: false }));
  return found.violations.filter((/** @type {any} */ one) => ["serious", "critical"].includes(one.impact))
    .map((/** @type {any} */ one) => `${one.id}: ${one.nodes.map((/** @type {any} */ node) => node.target).join(" ")}`);
}

test("an event shows in the stream as text, and leads to its profile without a trace in the address", { skip }, async () => {
  const { page, faults, close } = await open();
  await signIn(page);
  await page.getByText(/a second$/).first().waitFor();
  await page.getByRole("checkbox", { name: "Segments" }).uncheck();
  await page.getByRole("checkbox", { name: "Mails" }).uncheck();
  const customer = `page-test-<b>${Date.now()}</b>`;
  const answer = await fetch(`${url}/api/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ event_type: "product_view", customer_id: customer, product_id: "PAGE-TEST" }),
  });
  assert.equal(answer.status, 202);
  const stream = page.getByRole("log");
  const link = stream.getByRole("link", { name: customer, exact: true }).first();
  await link.waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await link.click();
  await page.getByRole("heading", { level: 1, name: customer }).waitFor();
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  assert.equal(page.url(), `${url}/#/profiles`);
  assert.deepEqual(await serious(page), []);
  await page.reload();
  await page.getByRole("heading", { level: 1, name: customer }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("a refused rule is shown with a caret under the place", { skip }, async () => {
  const { page, close } = await open();
  await signIn(page);
  await goTo(page, "Segments");
  await page.getByRole("link", { name: "New segment" }).click();
  await page.getByLabel("Name").fill("Page test");
  await page.getByLabel("Rule or SQL").fill("SELECT customer_id FROM customer_data\nWHERE ;;; likes tea");
  await page.getByRole("button", { name: "Check" }).click();
  const alert = page.getByRole("alert");
  await alert.getByText(/Line \d+, column \d+/).waitFor();
  assert.match(await alert.locator("pre").innerText(), /\n *\^$/);
  assert.equal(await page.getByLabel("Rule or SQL").getAttribute("aria-invalid"), "true");
  assert.deepEqual(await serious(page), []);
  await close();
});

test("a segment shows its members, changes, rule and form", { skip }, async (t) => {
  const { page, faults, close } = await open();
  await signIn(page);
  await goTo(page, "Segments");
  await page.locator("tbody a, .empty-title").first().waitFor();
  const first = page.locator("tbody a").first();
  if (await first.count()) {
    const name = await first.innerText();
    await first.click();
    await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
    for (const tab of ["Members", "Changes", "Rule", "Edit"]) {
      await page.getByRole("tab", { name: tab }).click();
      await page.getByRole("tabpanel", { name: tab }).locator("table, .empty, pre, form.editor").first().waitFor();
      assert.deepEqual(await serious(page), [], tab);
    }
  } else {
    t.diagnostic("SKIPPED: the server has no segment");
  }
  assert.deepEqual(faults, []);
  await close();
});

test("a query shows its rows, a wrong one its place", { skip }, async () => {
  const { page, close } = await open();
  await signIn(page);
  await goTo(page, "SQL");
  await page.getByLabel("Query").fill("SELECT count(*) AS events FROM events");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("region", { name: "Rows" }).getByRole("columnheader").first().waitFor();
  await page.getByLabel("Query").fill("SELECT 1\nFROM nowhere");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByRole("alert").waitFor();
  await close();
});

test("everything can be reached by keyboard", { skip }, async () => {
  const { page, close } = await open();
  await signIn(page);
  await goTo(page, "SQL");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "SQL" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  assert.equal(page.url(), `${url}/#/sql`);
  await page.keyboard.press("/");
  await page.getByRole("heading", { level: 1, name: "Profiles" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.id), "profile-search");
  await close();
});

test("a mail is shown in a frame that can do nothing", { skip }, async (t) => {
  const { page, close } = await open();
  await signIn(page);
  await goTo(page, "Inbox");
  const first = page.locator(".mails a").first();
  await page.locator(".mails a, .empty-title").first().waitFor();
  if (await first.count()) {
    await first.click();
    const frame = page.locator("iframe");
    await frame.waitFor();
    assert.equal(await frame.getAttribute("sandbox"), "");
    await page.getByRole("button", { name: "Phone" }).click();
    assert.ok(((await frame.boundingBox())?.width ?? 999) <= 375);
    await page.getByRole("tab", { name: "Mail", exact: true }).focus();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("tabpanel", { name: "Plain text" }).waitFor();
    assert.deepEqual(await serious(page), []);
  } else {
    t.diagnostic("SKIPPED: the server's inbox is empty");
  }
  await close();
});
