/** How the script gets into a page and starts. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { WRITE_KEY } from "./server.js";
import { SNIPPET, startSite } from "./site.js";
import { has, of, one, server, types, visit } from "./visit.js";

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
