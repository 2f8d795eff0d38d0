/** A visitor in Chromium, on pages of a small site, before the real server. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { binary, startServer, type Server, type Told } from "./server.js";
import { startSite, type Site } from "./site.js";

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
export const TALL = "<div style='height:3000px'></div>";

export let server: Server;
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

export interface Visit {
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
export function visit(name: string, pages: Site["pages"], body: (visit: Visit) => Promise<void>, options?: BrowserContextOptions): void {
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

export const types = (events: Told[]) => events.map((event) => event.event_type);
export const has = (...wanted: string[]) => (events: Told[]) => wanted.every((type) => types(events).includes(type));
export const of = (events: Told[], type: string) => events.filter((event) => event.event_type === type);
export const one = (events: Told[], type: string) => {
  const found = of(events, type);
  assert.equal(found.length, 1, `one ${type} expected, got ${types(events).join(", ")}`);
  return found[0]!;
};
/** Calls the SDK as a page does. */
export const call = (page: Page, ...values: unknown[]) =>
  page.evaluate((given) => (window as unknown as { signalpost: (...values: unknown[]) => void }).signalpost(...given), values);
/** What is kept in the page's local storage. */
export const stored = (page: Page) => page.evaluate(() => Object.keys(localStorage));
