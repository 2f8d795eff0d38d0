// What several pages show the same way: people, statuses, problems.

import { Failure } from "./api.js";
import { chip, empty, fill, h, loading } from "./dom.js";
import { caret, readable, words } from "./format.js";

/**
 * Goes to a page. What must not stand in the address (whose profile it is)
 * goes into the history entry's state, so that back and reload still work.
 * @param {string} hash
 * @param {Record<string, unknown>} [state]
 */
export function go(hash, state = {}) {
  history.pushState(state, "", hash);
  dispatchEvent(new PopStateEvent("popstate", { state }));
}

/**
 * A link to somebody's profile.
 * @param {{ profile?: string | null, customer_id?: string | null, anonymous_id?: string | null, id?: string | null }} person
 * @param {string} [text]
 */
export function personLink(person, text) {
  // The API's name of somebody not known by name is `anonymous:ID`.
  const id = person.profile || person.id || person.customer_id || (person.anonymous_id ? `anonymous:${person.anonymous_id}` : null);
  if (!id) return h("span", { class: "faint" }, "nobody");
  const anonymous = !person.customer_id;
  return h("a", {
    href: "#/profiles",
    class: anonymous && !text ? "person anonymous" : "person",
    title: anonymous && !text ? "Not known by name yet" : null,
    onclick: (/** @type {MouseEvent} */ event) => {
      event.preventDefault();
      go("#/profiles", { profile: id });
    },
  }, text ?? person.customer_id ?? id.replace(/^anonymous:/, ""));
}

/** @param {string} name */
export function segmentLink(name) {
  return h("a", { href: `#/segments/${encodeURIComponent(name)}` }, name);
}

/** @type {Record<string, string>} */
const STATUS_TONES = { sent: "good", pending: "info", sending: "info", refused: "bad", dead: "bad", in_doubt: "warn", suppressed: "none" };

/** @param {string} status */
export function statusChip(status) {
  return chip(words(status), STATUS_TONES[status] ?? "none");
}

/** @param {"entered" | "exited"} change */
export function changeChip(change) {
  return change === "entered" ? chip("Entered", "good") : chip("Left", "none");
}

/** @type {Record<string, string>} */
const CAUSES = { clock: "time passed", definition: "the rule changed", merge: "profiles were merged" };

/**
 * What caused a change or a mail, in whatever form the server tells it.
 * @param {unknown} cause
 */
export function causeText(cause) {
  if (cause === null || cause === undefined || cause === "") return "–";
  if (typeof cause === "string") return CAUSES[cause] ?? readable(cause);
  if (typeof cause !== "object") return String(cause);
  return Object.entries(cause).filter(([, part]) => part !== null)
    .map(([name, part]) => `${words(name).toLowerCase()} ${typeof part === "object" ? JSON.stringify(part) : String(part)}`).join(", ");
}

/**
 * What went wrong, with the place in the text where there is one.
 * @param {unknown} error
 * @param {string} [text] the text that was sent
 */
export function problemBox(error, text) {
  const problem = error instanceof Failure ? error.problem : {};
  const title = error instanceof Failure ? error.message : "Something went wrong in this page.";
  const place = caret(text ?? problem.snippet ?? "", text === undefined ? 1 : problem.line, problem.column);
  return h("div", { class: "problem", role: "alert" },
    h("p", { class: "problem-title" }, title),
    place && problem.line
      ? h("figure", { class: "caret" },
        h("figcaption", null, `Line ${problem.line}, column ${problem.column ?? 1}`),
        h("pre", { tabindex: "0" }, `${place.source}\n`, h("span", { class: "caret-mark", "aria-hidden": "true" }, place.caret)))
      : null,
    problem.hint ? h("p", { class: "hint" }, h("strong", null, "Hint: "), problem.hint) : null);
}

/**
 * Fetches, then shows; says so while it waits and when it fails.
 * @template Answer
 * @param {HTMLElement} root
 * @param {AbortSignal} signal
 * @param {() => Promise<Answer>} fetch
 * @param {(answer: Answer) => void} show fills `root`
 */
export async function load(root, signal, fetch, show) {
  // Most answers come at once; saying "Loading" for a blink would only flicker.
  const slow = setTimeout(() => fill(root, loading()), root.childElementCount > 0 ? 600 : 150);
  try {
    const answer = await fetch();
    clearTimeout(slow);
    if (!signal.aborted) show(answer);
  } catch (error) {
    clearTimeout(slow);
    if (signal.aborted) return;
    if (error instanceof Failure && error.status === 401) return;
    if (error instanceof Failure && error.status === 403) {
      fill(root, empty("This key may not see this", error.message));
      return;
    }
    fill(root, problemBox(error),
      h("p", null, h("button", { type: "button", onclick: () => load(root, signal, fetch, show) }, "Try again")));
  }
}

/**
 * A failure as one line for a notice.
 * @param {unknown} error
 */
export function failureText(error) {
  return error instanceof Failure ? error.message : String(error);
}
