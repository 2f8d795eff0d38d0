// Quarantine: what was refused, why, and what to do with it.

import * as api from "./api.js";
import { addRows, chip, confirm, empty, fill, h, heading, notice, table, time } from "./dom.js";
import { count, pretty, words } from "./format.js";
import { failureText, load } from "./parts.js";

/** @param {View} view */
export function quarantine(view) {
  const reason = view.query.get("reason") ?? "";
  const reasons = h("nav", { class: "pills", "aria-label": "Reason" });
  const body = h("div");
  fill(view.root, heading("Quarantine", "Events that were refused. Nothing is lost: look, mend the sender, then replay or drop."), reasons, body);

  /** @param {[string, number][]} known */
  const showReasons = (known) => {
    const names = reason === "" || known.some(([name]) => name === reason) ? known : [...known, /** @type {const} */ ([reason, 0])];
    fill(reasons, h("a", { class: "pill", href: "#/quarantine", "aria-current": reason === "" ? "true" : null }, "All"),
      names.map(([name, times]) => h("a", { class: "pill", title: `${count(times)} refused since the start`, href: `#/quarantine?reason=${encodeURIComponent(name)}`, "aria-current": name === reason ? "true" : null }, words(name))));
  };
  showReasons([]);
  // The counters say which reasons there were; what is still held, the list says.
  api.stats(view.signal).then(
    ({ events }) => showReasons(Object.entries(events.by_reason ?? {}).sort((a, b) => b[1] - a[1])),
    () => { /* The list below says what is wrong. */ },
  );
  const show = () => load(body, view.signal, () => api.quarantine(reason, null, view.signal), ({ quarantined, total }) => {
    if (quarantined.length > 0) fill(body, list(quarantined, total, reason, view.signal, show));
    else fill(body, empty(reason ? "Nothing is held for this reason" : "Nothing is in quarantine", reason ? "" : "Every event that came could be used."));
  });
  show();
}

/**
 * @param {Quarantined[]} first
 * @param {number} total held in all, for whatever reason
 * @param {string} reason
 * @param {AbortSignal} signal
 * @param {() => void} changed
 */
function list(first, total, reason, signal, changed) {
  const found = [...first];
  /** @type {Set<number | string>} */
  const chosen = new Set();
  /** @type {HTMLInputElement[]} */
  const boxes = [];
  const said = h("p", { class: "faint", role: "status" });
  const all = h("input", { type: "checkbox" });
  const replay = h("button", { type: "button" }, "Replay");
  const drop = h("button", { type: "button", class: "danger" }, "Drop");
  // Also those that are not shown, where there may be more than are shown.
  const whole = h("input", { type: "checkbox" });
  const wholeLine = h("label", { class: "toggle", hidden: true }, whole, h("span", null, `All that are held as “${words(reason)}”, shown or not`));
  const more = h("p", { class: "more" });
  let isMore = first.length >= api.QUARANTINE_PAGE;

  const tell = () => {
    wholeLine.hidden = !(isMore && reason !== "" && chosen.size === found.length);
    if (wholeLine.hidden) whole.checked = false;
    fill(said, whole.checked ? "all chosen" : chosen.size > 0 ? `${count(chosen.size)} chosen`
      : reason ? `${count(found.length)} shown, oldest first` : `${count(found.length)} of ${count(total)} shown, oldest first`);
    replay.disabled = drop.disabled = chosen.size === 0;
    all.checked = chosen.size === found.length;
    all.indeterminate = chosen.size > 0 && chosen.size < found.length;
  };

  /** @param {"replay" | "drop"} act */
  const settle = async (act) => {
    const ids = [...chosen];
    const what = whole.checked ? `all that are held as “${words(reason)}”` : ids.length === 1 ? "1 event" : `${count(ids.length)} events`;
    if (act === "drop" && !(await confirm(`Drop ${what}?`, "Dropped events are gone for good.", "Drop"))) return;
    replay.disabled = drop.disabled = true;
    try {
      const answer = await api.settleQuarantine(act, whole.checked ? { reason } : { ids });
      notice(settled(act, what, answer));
      changed();
    } catch (error) {
      notice(failureText(error), "bad");
      tell();
    }
  };
  replay.addEventListener("click", () => settle("replay"));
  drop.addEventListener("click", () => settle("drop"));
  whole.addEventListener("change", tell);
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    chosen.clear();
    if (all.checked) for (const one of found) chosen.add(one.id);
    tell();
  });

  /** @type {Parameters<typeof addRows<Quarantined>>[1]} */
  const columns = [
    {
      head: "Choose", cell: (one) => {
        const box = h("input", { type: "checkbox", "aria-label": `Choose the event received ${one.received_at}` });
        box.addEventListener("change", () => {
          if (box.checked) chosen.add(one.id);
          else chosen.delete(one.id);
          tell();
        });
        boxes.push(box);
        return box;
      },
    },
    { head: "Received", cell: (one) => time(one.received_at) },
    { head: "Reason", cell: (one) => chip(words(one.code), one.code === "bot" ? "none" : "warn") },
    { head: "Field", cell: (one) => (one.field ? h("code", null, one.field) : "–") },
    {
      head: "What is wrong", wide: true, cell: (one) => [h("span", null, one.message),
        h("details", { class: "small" }, h("summary", null, "As it came"), h("pre", { class: "code", tabindex: "0" }, pretty(one.raw)))],
    },
    { head: "Source", cell: (one) => one.source ?? "–" },
  ];
  const rows = table("Events in quarantine", columns, found);
  const offer = () => {
    const last = Number(found.at(-1)?.id);
    fill(more, isMore && Number.isFinite(last) ? h("button", {
      type: "button", onclick: async () => {
        try {
          const page = (await api.quarantine(reason, last + 1, signal)).quarantined;
          isMore = page.length >= api.QUARANTINE_PAGE;
          found.push(...page);
          if (rows.tBodies[0]) addRows(rows.tBodies[0], columns, page);
          offer();
          tell();
        } catch (error) {
          if (!signal.aborted) notice(failureText(error), "bad");
        }
      },
    }, "Show more") : null);
  };
  offer();
  tell();
  return [h("div", { class: "bar-line" }, h("label", { class: "toggle" }, all, h("span", null, "All shown")), replay, drop, said, wholeLine), rows, more];
}

/**
 * @param {"replay" | "drop"} act
 * @param {string} what
 * @param {Record<string, unknown> | null} answer
 */
function settled(act, what, answer) {
  if (act === "drop") return `Dropped: ${what}.`;
  const { accepted, duplicates, refused } = answer ?? {};
  if (typeof accepted !== "number") return `Replayed: ${what}.`;
  return `Replayed: ${count(accepted)} accepted${duplicates ? `, ${count(Number(duplicates))} known already` : ""}${refused ? `, ${count(Number(refused))} refused again` : ""}.`;
}
