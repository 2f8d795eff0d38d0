// Deliveries: what was decided for whom, whether it went out, and why.

import * as api from "./api.js";
import { confirm, empty, fill, h, heading, notice, table, time } from "./dom.js";
import { clockTime, count, words } from "./format.js";
import { causeText, failureText, load, personLink, statusChip } from "./parts.js";

const STATUSES = ["", "sent", "pending", "sending", "suppressed", "refused", "dead", "in_doubt"];
/** Those that nobody tries again by themselves. */
const RETRYABLE = new Set(["dead", "refused", "in_doubt"]);

/** @type {Record<string, string>} */
const DECISIONS = {
  send: "To be sent", no_consent: "No consent", no_address: "No address",
  capped: "Enough mails lately", held_out: "In the holdout",
};

/** @param {View} view */
export function deliveries(view) {
  const status = view.query.get("status") ?? "";
  const body = h("div");
  fill(view.root,
    heading("Deliveries", "What was decided for whom, whether it went out, and why."),
    h("nav", { class: "pills", "aria-label": "Status" }, STATUSES.map((one) =>
      h("a", { class: "pill", href: one ? `#/deliveries?status=${one}` : "#/deliveries", "aria-current": one === status ? "true" : null }, one ? words(one) : "All"))),
    body);
  const show = () => load(body, view.signal, () => api.deliveries(status, view.signal), ({ deliveries: found }) => {
    if (found.length === 0) {
      fill(body, empty(status ? `No delivery is ${words(status).toLowerCase()}` : "No delivery yet", "A campaign decides on a delivery when somebody enters its segment."));
      return;
    }
    fill(body, found.length >= 200 ? h("p", { class: "faint" }, "The newest 200.") : null, table("Deliveries", [
      { head: "Decided", cell: (one) => time(one.decided_at) },
      { head: "Status", cell: (one) => statusChip(one.status) },
      { head: "Campaign", class: "strong", cell: (one) => one.campaign },
      { head: "Customer", cell: (one) => personLink(one) },
      { head: "Mail", wide: true, cell: mailCell },
      { head: "Cause", wide: true, cell: (one) => [h("span", null, causeText(one.cause)), attempts(one)] },
      { head: "", class: "end", cell: (one) => (RETRYABLE.has(one.status) ? retry(one, show) : null) },
    ], found));
  });
  show();
}

/** @param {Delivery} one */
function mailCell(one) {
  if (one.decision && one.decision !== "send") return h("span", { class: "faint" }, DECISIONS[one.decision] ?? words(one.decision));
  return [h("span", null, one.subject || "–"), one.to ? h("p", { class: "faint small" }, `${one.to}${one.destination ? ` by ${one.destination}` : ""}`) : null];
}

/** @param {Delivery} one */
function attempts(one) {
  const made = one.attempts ?? [];
  if (made.length === 0 && !one.next_attempt) return null;
  return h("details", { class: "small" },
    h("summary", null, made.length === 1 ? "1 attempt" : `${count(made.length)} attempts`),
    h("ol", { class: "attempts" }, made.map((attempt) => h("li", null, time(attempt.at, clockTime), " ", causeText(attempt.outcome)))),
    one.next_attempt ? h("p", null, "Next try ", time(one.next_attempt)) : null);
}

/**
 * @param {Delivery} one
 * @param {() => void} done
 */
function retry(one, done) {
  const button = h("button", { type: "button", class: "small", "aria-label": `Retry the mail “${one.campaign}” to ${one.customer_id ?? one.profile ?? "somebody"}` }, "Retry");
  button.addEventListener("click", async () => {
    if (one.status === "in_doubt" && !(await confirm("Send it again?", "It may have gone out already. Another try could reach the receiver twice.", "Send again"))) return;
    button.disabled = true;
    try {
      await api.retryDelivery(one.id);
      notice("It is tried again now.");
      done();
    } catch (error) {
      button.disabled = false;
      notice(failureText(error), "bad");
    }
  });
  return button;
}
