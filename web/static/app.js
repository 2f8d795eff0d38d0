// The page's frame: who is signed in, which page is shown.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { deliveries } from "./deliveries.js";
import { inbox } from "./inbox.js";
import { overview } from "./overview.js";
import { go } from "./parts.js";
import { profiles } from "./profiles.js";
import { quarantine } from "./quarantine.js";
import { segments } from "./segments.js";
import { sql } from "./sql.js";

/** @type {{ path: string, name: string, show: (view: View) => void }[]} */
const PAGES = [
  { path: "overview", name: "Overview", show: overview },
  { path: "segments", name: "Segments", show: segments },
  { path: "profiles", name: "Profiles", show: profiles },
  { path: "inbox", name: "Inbox", show: inbox },
  { path: "deliveries", name: "Deliveries", show: deliveries },
  { path: "quarantine", name: "Quarantine", show: quarantine },
  { path: "sql", name: "SQL", show: sql },
];

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
const account = /** @type {HTMLElement} */ (document.getElementById("account"));

/** What runs for the page shown; aborted when it is left. */
let running = new AbortController();
/** @type {string | null} */
let shownPage = null;

/** Reads the address and shows its page. */
function route() {
  if (api.takeKeyFromAddress()) history.replaceState(null, "", "#/overview");
  running.abort();
  running = new AbortController();
  const signedIn = api.key() !== null;
  nav.hidden = account.hidden = !signedIn;
  document.body.classList.toggle("signed-out", !signedIn);
  if (!signedIn) {
    showSignIn("");
    return;
  }

  const [address = "", search = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [first = "", ...rest] = address.split("/").map(decode);
  const page = PAGES.find((one) => one.path === first) ?? PAGES[0];
  if (!page) return;
  for (const link of nav.querySelectorAll("a")) {
    const current = link.getAttribute("href") === `#/${page.path}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    // Only the strip itself is moved, never the page.
    if (current) nav.scrollTo({ left: link.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2 });
  }
  document.title = `${page.name} · Signalpost`;
  const root = h("div", { class: `page ${page.path}` });
  fill(main, root);
  page.show({
    root,
    path: rest.filter(Boolean),
    query: new URLSearchParams(search),
    state: /** @type {Record<string, unknown> | null} */ (history.state) ?? {},
    signal: running.signal,
  });
  scrollTo(0, 0);
  // On a change of page a screen reader starts at its title; not at first load.
  if (shownPage !== null && !root.contains(document.activeElement)) root.querySelector("h1")?.focus({ preventScroll: true });
  shownPage = page.path;
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} why */
function showSignIn(why) {
  document.title = "Sign in · Signalpost";
  const field = h("input", { id: "key", name: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const problem = h("p", { class: "field-problem", id: "key-problem", role: "alert" }, why);
  fill(main, h("div", { class: "page sign-in" },
    h("form", {
      onsubmit: async (/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        fill(problem);
        api.setKey(field.value.trim());
        try {
          await api.stats();
          if (api.key()) route();
        } catch (error) {
          api.setKey(null);
          fill(problem, error instanceof api.Failure && error.status !== 401 ? error.message : "The server does not know this key.");
          field.focus();
        }
      },
    },
    h("h1", null, "Sign in"),
    h("p", null, "The server printed an admin key when it first started, and a link that signs you in by itself. More keys: ", h("code", null, "signalpost keys create"), "."),
    h("label", { for: "key" }, "Key"),
    field,
    problem,
    h("button", { type: "submit", class: "primary" }, "Sign in"),
    h("p", { class: "faint" }, "The key stays in this tab and is forgotten when you close it."))));
  if (why) field.setAttribute("aria-describedby", "key-problem");
  field.focus();
}

api.session.refused = (why) => {
  if (api.key() === null || document.body.classList.contains("signed-out")) return;
  api.setKey(null);
  route();
  showSignIn(why);
};

nav.append(...PAGES.map((page) => h("a", { href: `#/${page.path}` }, page.name)));
document.getElementById("sign-out")?.addEventListener("click", () => {
  api.setKey(null);
  go("#/");
});
addEventListener("popstate", route);
// The address names the page, so it cannot also name a place in it.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
// Search is where everybody looks for it: `/` goes to the profiles.
addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || api.key() === null) return;
  event.preventDefault();
  go("#/profiles");
});
route();
