// Quarantine: what was refused, why, and what to do with it.

import * as api from "./api.js";
import { chip, confirm, empty, fill, h, heading, notice, table, time } from "./dom.js";
import { count, pretty, words } from "./format.js";
import { failureText, load } from "./parts.js";

/** @param {View} view */
export function quarantine(view) {
  const reason = view.query.get("reason") ?? "";
  const reasons = h("nav", { class: "pills", "aria-label": "Reason" });
  const body = h("div");
  fill(view.root, heading("Quarantine", "Events that were refused. Nothing is lost: look, mend the sender, then replay or drop."), reasons, body);

  /** @param {Record<string, number>} counts */
  const showReasons = (counts) => {
    const known = Object.entries(counts).filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]);
    if (reason && !known.some(([name]) => name === reason)) known.push([reason, 0]);
    fill(reasons, h("a", { class: "pill", href: "#/quarantine", "aria-current": reason === "" ? "true" : null }, "All"),
      known.map(([name, value]) => h("a", { class: "pill", href: `#/quarantine?reason=${encodeURIComponent(name)}`, "aria-current": name === reason ? "true" : null },
        words(name), h("span", { class: "faint" }, ` ${count(value)}`))));
  };
  showReasons({});
  const show = () => {
    api.stats(view.signal).then((stats) => showReasons(stats.events.by_reason ?? {}), () => { /* The list below says what is wrong. */ });
    load(body, view.signal, () => api.quarantine(reason, view.signal), ({ quarantined, total }) => {
      if (quarantined.length === 0) fill(body, empty(reason ? "Nothing is held for this reason" : "Nothing is in quarantine", "Every event that came could be used."));
      else fill(body, list(quarantined, total, show));
    });
  };
  show();
}

/**
 * @param {Quarantined[]} found
 * @param {number} total
 * @param {() => void} changed
 */
function list(found, total, changed) {
  /** @type {Set<string>} */
  const chosen = new Set();
  const said = h("p", { class: "faint", role: "status" });
  const all = h("input", { type: "checkbox", "aria-label": "Choose all that are shown" });
  const replay = h("button", { type: "button" }, "Replay");
  const drop = h("button", { type: "button", class: "danger" }, "Drop");
  const tell = () => {
    fill(said, chosen.size > 0 ? `${count(chosen.size)} chosen` : `${count(found.length)} shown of ${count(total)}`);
    replay.disabled = drop.disabled = chosen.size === 0;
    all.checked = chosen.size === found.length;
    all.indeterminate = chosen.size > 0 && chosen.size < found.length;
  };

  /** @param {"replay" | "drop"} act */
  const settle = async (act) => {
    const ids = [...chosen];
    if (act === "drop" && !(await confirm(ids.length === 1 ? "Drop 1 event?" : `Drop ${count(ids.length)} events?`, "Dropped events are gone for good.", "Drop"))) return;
    replay.disabled = drop.disabled = true;
    try {
      const answer = await api.settleQuarantine(act, ids);
      notice(settled(act, ids.length, answer));
      changed();
    } catch (error) {
      notice(failureText(error), "bad");
      tell();
    }
  };
  replay.addEventListener("click", () => settle("replay"));
  drop.addEventListener("click", () => settle("drop"));

  /** @type {HTMLInputElement[]} */
  const boxes = [];
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    chosen.clear();
    if (all.checked) for (const one of found) chosen.add(one.id);
    tell();
  });
  const rows = table("Events in quarantine", [
    {
      head: "Choose", class: "choose", cell: (one) => {
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
  ], found);
  tell();
  return [h("div", { class: "bar-line" }, h("label", { class: "toggle" }, all, h("span", null, "All")), replay, drop, said), rows];
}

/**
 * @param {"replay" | "drop"} act
 * @param {number} asked
 * @param {Record<string, unknown> | null} answer
 */
function settled(act, asked, answer) {
  if (act === "drop") return asked === 1 ? "1 event was dropped." : `${count(asked)} events were dropped.`;
  const accepted = answer?.accepted ?? answer?.replayed;
  return typeof accepted === "number" ? `${count(accepted)} of ${count(asked)} were accepted this time.` : `${count(asked)} were replayed.`;
}
