// Overview: what went through each step, and what happens right now.

import * as api from "./api.js";
import { chip, fill, h, heading, setText, svg, time } from "./dom.js";
import { clockTime, count, duration, instant, linePoints, rate, rates, share, words } from "./format.js";
import { causeText, changeChip, failureText, personLink, segmentLink, statusChip } from "./parts.js";

/** Milliseconds between two looks at the counters. */
const LOOK_EVERY_MS = 1_000;
/** Seconds the events/s line reaches back. */
const SAMPLES_MAX = 120;
/** Rows of the live stream that are kept. */
const ROWS_MAX = 200;

/** Kept while other pages are shown, so that the line is whole on coming back. */
/** @type {{ at: number, value: number }[]} */
let samples = [];
/** @type {Live[]} newest last */
let kept = [];
/** The server's time as last heard: a live mail does not say its own. */
let clock = "";
/** @type {Set<string>} kinds that are shown */
const shown = new Set(["event", "membership", "delivery"]);

/** @param {View} view */
export function overview(view) {
  const state = h("p", { class: "lead" }, "\u00a0");
  const head = heading("Overview");
  head.firstElementChild?.append(state);
  const figures = h("section", { class: "figures", "aria-label": "Counts" });
  const stream = h("section", { class: "stream", "aria-labelledby": "stream-title" });
  fill(view.root, head, h("div", { class: "overview-grid" }, figures, stream));
  watchFigures(figures, state, view.signal);
  watchStream(stream, view.signal);
}

/** A figure with its label and a remark under it. */
class Figure {
  /** @param {string} label @param {string} [href] */
  constructor(label, href) {
    this.value = h("dd", { class: "figure-value" }, "–");
    this.remark = h("dd", { class: "figure-remark" });
    this.element = h("div", { class: "figure" }, h("dt", null, href ? h("a", { href }, label) : label), this.value, this.remark);
  }

  /** @param {string} value @param {string} [remark] */
  set(value, remark = "") {
    setText(this.value, value);
    setText(this.remark, remark);
  }
}

/**
 * @param {HTMLElement} root
 * @param {HTMLElement} state
 * @param {AbortSignal} signal
 */
function watchFigures(root, state, signal) {
  const accepted = new Figure("Events accepted");
  const duplicates = new Figure("Duplicates left out");
  const quarantined = new Figure("Quarantined", "#/quarantine");
  const people = new Figure("Profiles", "#/profiles");
  const entries = new Figure("Segment entries", "#/segments");
  const exits = new Figure("Segment exits", "#/segments");
  const speed = new Speed();
  const toChange = new Latency("Event to segment change");
  const toDelivery = new Latency("Event to delivery");
  const mails = new Bars("Mails by status", "No mail yet", (name) => `#/deliveries?status=${encodeURIComponent(name)}`);
  const types = new Bars("Events by type", "No event yet");
  fill(root,
    speed.element,
    h("dl", { class: "figure-grid" }, [accepted, duplicates, quarantined, people, entries, exits].map((one) => one.element)),
    h("div", { class: "pair" }, toChange.element, toDelivery.element),
    h("div", { class: "pair" }, mails.element, types.element));

  /** @param {Stats} stats */
  const show = (stats) => {
    const { events } = stats;
    accepted.set(count(events.accepted), `of ${count(events.received)} received`);
    duplicates.set(count(events.duplicates), share(events.duplicates, events.received));
    quarantined.set(count(events.quarantined), events.bots > 0 ? `${count(events.bots)} of them bots` : "no bots among them");
    people.set(count(stats.profiles?.known), `and ${count(stats.profiles?.anonymous)} anonymous`);
    entries.set(count(stats.memberships.entries), "into segments");
    exits.set(count(stats.memberships.exits), "out of segments");
    speed.take(events.accepted);
    toChange.set(stats.latency_ms?.event_to_change);
    toDelivery.set(stats.latency_ms?.event_to_delivery);
    mails.set(stats.deliveries);
    types.set(events.by_type ?? {});
    const lag = stats.lag ?? 0;
    clock = stats.clock ?? "";
    setText(state, [
      stats.clock ? `Clock ${instant(stats.clock)} UTC` : "",
      lag > 0 ? `${count(lag)} events waiting` : "all caught up",
    ].filter(Boolean).join(" · "));
    state.classList.remove("bad-text");
  };

  const look = async () => {
    if (signal.aborted) return;
    if (!document.hidden) {
      try {
        show(await api.stats(signal));
      } catch (error) {
        if (signal.aborted) return;
        setText(state, failureText(error));
        state.classList.add("bad-text");
      }
    }
    setTimeout(look, LOOK_EVERY_MS);
  };
  look();
}

/** Events a second, now and over the last two minutes. */
class Speed {
  constructor() {
    this.value = h("dd", { class: "figure-value" }, "–");
    this.peak = h("dd", { class: "figure-remark" });
    this.line = svg("polyline", { class: "spark-line", points: "", fill: "none", "vector-effect": "non-scaling-stroke" });
    this.area = svg("polygon", { class: "spark-area", points: "" });
    const chart = svg("svg", { viewBox: "0 0 240 56", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" }, this.area, this.line);
    this.element = h("div", { class: "panel speed" },
      h("dl", { class: "figure" }, h("dt", null, "Events a second"), this.value, this.peak), chart);
  }

  /** @param {number} value the counter of accepted events */
  take(value) {
    const last = samples.at(-1);
    if (last && value < last.value) samples = [];
    samples.push({ at: performance.now(), value });
    samples = samples.slice(-(SAMPLES_MAX + 1));
    const found = rates(samples);
    setText(this.value, rate(found.at(-1)));
    setText(this.peak, found.length > 0 ? `highest ${rate(Math.max(...found))} in the last ${duration(found.length * LOOK_EVERY_MS)}` : "measuring");
    // At first the line fills its box quickly; later it moves through it.
    const points = linePoints(found, 240, 52, Math.max(15, found.length));
    const shifted = points.replace(/,([\d.]+)/g, (_, y) => `,${(Number(y) + 2).toFixed(1)}`);
    this.line.setAttribute("points", shifted);
    const first = shifted.split(",", 1)[0];
    this.area.setAttribute("points", found.length > 1 ? `${first},56 ${shifted} 240,56` : "");
  }
}

/** How long it takes: half of all, and all but one in a hundred. */
class Latency {
  /** @param {string} title */
  constructor(title) {
    this.p50 = h("dd", null, "–");
    this.p99 = h("dd", null, "–");
    this.counted = h("p", { class: "figure-remark" });
    this.element = h("div", { class: "panel latency" }, h("h2", null, title),
      h("dl", null,
        h("div", null, h("dt", { title: "Half took no longer" }, "p50"), this.p50),
        h("div", null, h("dt", { title: "99 in 100 took no longer" }, "p99"), this.p99)),
      this.counted);
  }

  /** @param {Timing | undefined} timing */
  set(timing) {
    const measured = timing && timing.count > 0 ? timing : undefined;
    setText(this.p50, duration(measured?.p50));
    setText(this.p99, duration(measured?.p99));
    setText(this.counted, measured ? `${count(measured.count)} measured` : "none measured yet");
  }
}

/** Counts by name, the largest first, as bars. */
class Bars {
  /** @param {string} title @param {string} none @param {(name: string) => string} [href] */
  constructor(title, none, href) {
    this.none = none;
    this.href = href;
    this.list = h("ul", { class: "bars" });
    this.names = "";
    this.element = h("div", { class: "panel" }, h("h2", null, title), this.list);
  }

  /** @param {Record<string, number>} counts */
  set(counts) {
    const rows = Object.entries(counts).filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]).slice(0, 8);
    const names = rows.map(([name]) => name).join("\n");
    // Rows are only built anew when other names come, so that a link keeps its focus.
    if (names !== this.names || rows.length === 0) {
      this.names = names;
      fill(this.list, rows.length === 0 ? h("li", { class: "faint" }, this.none) : rows.map(([name]) =>
        h("li", null, h("span", { class: "bar-name" }, this.href ? h("a", { href: this.href(name) }, words(name)) : words(name)),
          h("span", { class: "bar-count" }), h("span", { class: "bar", "aria-hidden": "true" }))));
    }
    const largest = rows[0]?.[1] ?? 1;
    rows.forEach(([, value], i) => {
      const item = this.list.children[i];
      const number = item?.querySelector(".bar-count");
      const bar = item?.querySelector(".bar");
      if (number) setText(number, count(value));
      if (bar instanceof HTMLElement) bar.style.setProperty("--share", String(value / largest));
    });
  }
}

/**
 * The live stream: messages wait in a list and are shown once a frame, so that
 * a thousand a second cost no more than sixty.
 * @param {HTMLElement} root
 * @param {AbortSignal} signal
 */
function watchStream(root, signal) {
  /** @type {Live[]} */
  let waiting = [];
  let missed = 0;
  let paused = false;
  let scheduled = false;
  let seen = 0;
  let lost = 0;

  const list = h("ol");
  // Read aloud, a thousand messages a second would be noise: it is silent.
  const box = h("div", { class: "stream-rows", role: "log", "aria-live": "off", "aria-label": "What happens, newest first", tabindex: "0" }, list);
  const status = h("p", { class: "stream-state" });
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const filters = [["event", "Events"], ["membership", "Segments"], ["delivery", "Mails"]].map(([kind = "", name]) => {
    const choice = h("input", { type: "checkbox", checked: shown.has(kind) });
    choice.addEventListener("change", () => {
      if (choice.checked) shown.add(kind);
      else shown.delete(kind);
      redraw();
    });
    return h("label", { class: "toggle" }, choice, h("span", null, name));
  });
  fill(root,
    h("header", { class: "stream-head" }, h("h2", { id: "stream-title" }, "Live"), status, pause),
    h("div", { class: "toggles", role: "group", "aria-label": "Shown in the stream" }, filters),
    box);

  const rows = () => kept.filter((one) => shown.has(one.kind));
  const redraw = () => {
    const found = rows();
    fill(list, found.length === 0 ? h("li", { class: "faint placeholder" }, "Nothing yet. What happens shows here at once.") : found.reverse().map(streamRow));
  };
  const held = () => paused || box.scrollTop > 8;

  const draw = () => {
    scheduled = false;
    if (signal.aborted) return;
    if (held()) {
      setText(pause, paused ? `Go on${missed ? ` (${count(missed)} new)` : ""}` : `Newest${missed ? ` (${count(missed)} new)` : ""}`);
      return;
    }
    setText(pause, "Pause");
    const fresh = waiting;
    waiting = [];
    missed = 0;
    if (fresh.length === 0) return;
    kept = kept.concat(fresh).slice(-ROWS_MAX);
    const nodes = fresh.filter((one) => shown.has(one.kind)).reverse().map(streamRow);
    if (nodes.length === 0) return;
    list.querySelector(".placeholder")?.remove();
    list.prepend(...nodes);
    while (list.childElementCount > ROWS_MAX) list.lastElementChild?.remove();
  };
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(draw);
  };

  pause.addEventListener("click", () => {
    if (!paused && box.scrollTop > 8) {
      box.scrollTop = 0;
    } else {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
    }
    schedule();
  });
  box.addEventListener("scroll", schedule, { passive: true });

  api.listen((kind, data) => {
    if (kind === "missed") lost += Number(data) || 0;
    else seen += 1;
    if (kind !== "event" && kind !== "membership" && kind !== "delivery") return;
    try {
      const told = JSON.parse(data);
      clock = told.received_at ?? told.at ?? clock;
      waiting.push(/** @type {Live} */ ({ kind, data: told, at: clock }));
    } catch {
      return;
    }
    missed += 1;
    if (waiting.length > ROWS_MAX) waiting = waiting.slice(-ROWS_MAX);
    schedule();
  }, (now) => {
    root.dataset.state = now;
    setText(status, { connecting: "Connecting…", open: "Connected", lost: "Connection lost, trying again" }[now]);
  }, signal);

  const tick = setInterval(() => {
    if (root.dataset.state === "open") setText(status, `${count(seen)} a second${lost > 0 ? `, ${count(lost)} not shown` : ""}`);
    seen = lost = 0;
  }, 1_000);
  signal.addEventListener("abort", () => clearInterval(tick), { once: true });
  redraw();
}

/** @param {Live} live */
function streamRow(live) {
  if (live.kind === "event") {
    const { data } = live;
    return h("li", { class: "row-event" }, time(data.timestamp, clockTime), h("span", { class: "row-kind" }, chip(words(data.event_type), "event")),
      h("span", { class: "row-text" }, personLink(data), data.product_id ? h("span", { class: "faint" }, ` · ${data.product_id}`) : null));
  }
  if (live.kind === "membership") {
    const { data } = live;
    return h("li", { class: "row-membership", title: causeText(data.cause) }, time(data.at, clockTime), h("span", { class: "row-kind" }, changeChip(data.change)),
      h("span", { class: "row-text" }, personLink(data), h("span", { class: "faint" }, " · "), segmentLink(data.segment)));
  }
  const { data } = live;
  const at = data.attempts?.at(-1)?.at ?? data.decided_at ?? live.at;
  return h("li", { class: "row-delivery" }, time(at, clockTime), h("span", { class: "row-kind" }, statusChip(data.status)),
    h("span", { class: "row-text" }, data.subject || data.campaign || "a mail", h("span", { class: "faint" }, " to "), personLink(data, data.to ?? undefined)));
}
