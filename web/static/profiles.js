// Profiles: one person's story, and why they belong where they belong.
// Whose profile it is stands in the history entry, never in the address.

import * as api from "./api.js";
import { chip, empty, fill, h, heading, table, time } from "./dom.js";
import { clockTime, count, instant, plain, pretty, words } from "./format.js";
import { failureText, go, load, personLink, segmentLink } from "./parts.js";

/** Rows of the timeline shown at first, and more with each press of the button. */
const TIMELINE_STEP = 100;

/** @param {View} view */
export function profiles(view) {
  const id = view.state.profile;
  const asked = typeof view.state.search === "string" ? view.state.search : "";
  const field = h("input", { id: "profile-search", type: "search", name: "query", autocomplete: "off", spellcheck: "false", value: asked, placeholder: "Customer id, anonymous id or email" });
  const form = h("form", {
    class: "search", role: "search",
    onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      if (field.value.trim()) go("#/profiles", { search: field.value.trim() });
    },
  }, h("label", { for: "profile-search", class: "unseen" }, "Customer id, anonymous id or email"), field, h("button", { type: "submit", class: "primary" }, "Find"));
  const body = h("div");
  const known = typeof id === "string";
  const title = known ? heading(id) : heading("Profiles", "What is known about one person, and why.");
  fill(view.root, known ? [form, title] : [title, form], body);
  if (known) {
    showProfile(body, title, view.signal, id);
  } else {
    if (asked) search(body, view.signal, asked);
    else fill(body, empty("Whom are you looking for?", "Search by customer id, anonymous id or email address, or follow a name from any other page. The key “/” brings you here."));
    field.focus();
  }
}

/**
 * @param {HTMLElement} body
 * @param {AbortSignal} signal
 * @param {string} text
 */
function search(body, signal, text) {
  load(body, signal, () => api.findProfiles(text, signal), ({ profiles: found }) => {
    if (found.length === 0) {
      fill(body, empty("Nobody found", "No id and no address contains this text."));
      return;
    }
    fill(body, table("Profiles found", [
      { head: "Profile", class: "strong", cell: (one) => personLink(one, one.customer_id ?? one.id) },
      { head: "Email", cell: (one) => one.email ?? h("span", { class: "faint" }, "–") },
      { head: "Last seen", cell: (one) => time(one.last_seen) },
    ], found));
  });
}

/**
 * @param {HTMLElement} body
 * @param {HTMLElement} head
 * @param {AbortSignal} signal
 * @param {string} id
 */
function showProfile(body, head, signal, id) {
  load(body, signal, () => api.profile(id, signal), (profile) => {
    const email = profile.traits?.email;
    const name = [profile.traits?.first_name, profile.traits?.last_name].filter((part) => typeof part === "string").join(" ");
    const title = head.querySelector("h1");
    if (title) fill(title, profile.customer_id ?? profile.id);
    head.querySelector(".lead")?.remove();
    head.firstElementChild?.append(h("p", { class: "lead" },
      [name, typeof email === "string" ? email : "", profile.customer_id ? "" : "not known by name yet"].filter(Boolean).join(" · ")));
    const timeline = new Timeline(profile.timeline ?? [], profile.timeline_total ?? 0);
    fill(body, h("div", { class: "profile-grid" },
      h("div", { class: "stack" },
        memberships(profile, signal, timeline),
        values("Traits", "Told by the shop's systems", profile.traits),
        values("Computed traits", "Counted from events", profile.computed),
        cart(profile.cart ?? []),
        values("Consents", "", profile.consents, (granted) => (granted === true ? "given" : granted === false ? "refused" : shownValue(granted))),
        identities(profile)),
      timeline.element));
  });
}

/**
 * @param {Profile} profile
 * @param {AbortSignal} signal
 * @param {Timeline} timeline
 */
function memberships(profile, signal, timeline) {
  const found = profile.segments ?? [];
  return h("section", { class: "panel" }, h("h2", null, "Segments"),
    found.length === 0 ? h("p", { class: "faint" }, "In no segment.") : h("ul", { class: "rows" }, found.map((one) => {
      const answer = h("div", { class: "why", id: `why-${Math.random().toString(36).slice(2)}` });
      const button = h("button", { type: "button", class: "small", "aria-expanded": "false", "aria-controls": answer.id, "aria-label": `Why? ${one.name}` }, "Why?");
      button.addEventListener("click", () => {
        const open = button.getAttribute("aria-expanded") !== "true";
        button.setAttribute("aria-expanded", String(open));
        fill(answer);
        if (open) load(answer, signal, () => api.explain(profile.id, one.name, signal), (found) => fill(answer, explanation(found, timeline)));
      });
      return h("li", null,
        h("div", { class: "row-line" },
          h("div", null, segmentLink(one.name), h("p", { class: "faint small" }, "since ", time(one.entered_at), one.version ? `, v${one.version}` : "")),
          button),
        answer);
    })),
    otherSegment(profile, signal, timeline));
}

/**
 * Asks why somebody is not in a segment.
 * @param {Profile} profile
 * @param {AbortSignal} signal
 * @param {Timeline} timeline
 */
function otherSegment(profile, signal, timeline) {
  const held = new Set((profile.segments ?? []).map((one) => one.name));
  const answer = h("div", { class: "why" });
  const select = h("select", { id: "other-segment" }, h("option", { value: "" }, "Choose a segment"));
  const details = h("details", { class: "other" }, h("summary", null, "Why not in another segment?"),
    h("label", { for: "other-segment", class: "unseen" }, "Segment"), select, answer);
  details.addEventListener("toggle", async () => {
    if (!details.open || select.options.length > 1) return;
    try {
      const { segments } = await api.segments(signal);
      for (const one of segments) if (!held.has(one.name)) select.append(h("option", { value: one.name }, one.name));
    } catch (error) {
      if (!signal.aborted) fill(answer, h("p", { class: "field-problem" }, failureText(error)));
    }
  });
  select.addEventListener("change", () => {
    fill(answer);
    const { value } = select;
    if (value) load(answer, signal, () => api.explain(profile.id, value, signal), (found) => {
      if (select.value === value) fill(answer, explanation(found, timeline));
    });
  });
  return details;
}

/**
 * @param {Explanation} found
 * @param {Timeline} timeline
 */
function explanation(found, timeline) {
  const member = found.member ?? found.value === true;
  return [
    h("p", null, h("strong", null, member ? "In the segment" : "Not in the segment"),
      found.horizon ? [", unless something happens, until ", time(found.horizon)] : ", until something happens", "."),
    h("ul", { class: "reasons" }, reason(found.tree, timeline)),
  ];
}

/**
 * One condition, whether it holds, until when, by which events; then its parts.
 * @param {Reason} one
 * @param {Timeline} timeline
 * @returns {HTMLLIElement}
 */
function reason(one, timeline) {
  const [mark, said, tone] = one.value === true ? ["✓", "holds", "yes"] : one.value === false ? ["✗", "does not hold", "no"]
    : one.value === null || one.value === undefined ? ["?", "unknown", "unknown"] : ["=", "", "value"];
  const events = one.events ?? [];
  return h("li", null,
    h("p", { class: `reason ${tone}` },
      h("span", { class: "mark", "aria-hidden": "true" }, mark),
      h("span", null, h("code", null, one.text), tone === "value" ? [" is ", h("strong", null, shownValue(one.value))] : h("span", { class: "unseen" }, ` ${said}`),
        one.horizon ? h("span", { class: "faint small until" }, " until ", time(one.horizon)) : null)),
    events.length > 0 ? h("p", { class: "evidence" }, events.length === 1 ? "by the event of " : `by ${count(events.length)} events: `,
      events.slice(0, 6).map((event, i) => [i > 0 ? "; " : "", event.event_id && timeline.has(event.event_id)
        ? h("button", { type: "button", class: "link", onclick: () => timeline.point(event.event_id ?? "") }, instant(event.timestamp))
        : time(event.timestamp)]).flat(),
      events.length > 6 ? ` and ${count(events.length - 6)} more` : "") : null,
    one.parts && one.parts.length > 0 ? h("ul", null, one.parts.map((part) => reason(part, timeline))) : null);
}

/**
 * @param {string} title
 * @param {string} lead
 * @param {Record<string, unknown> | undefined} found
 * @param {(value: unknown) => Node | string} [show]
 */
function values(title, lead, found, show = shownValue) {
  const rows = Object.entries(found ?? {}).filter(([, value]) => value !== null).sort(([a], [b]) => a.localeCompare(b));
  return h("section", { class: "panel" }, h("h2", null, title), lead ? h("p", { class: "faint small" }, lead) : null,
    rows.length === 0 ? h("p", { class: "faint" }, "None.") : h("dl", { class: "pairs" }, rows.map(([name, value]) =>
      h("div", null, h("dt", null, words(name)), h("dd", null, show(value))))));
}

/** @param {unknown} value */
function shownValue(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value)) return time(value);
  if (typeof value === "number") return Number.isInteger(value) ? count(value) : String(value);
  return plain(value);
}

/** @param {{ product_id: string, quantity: number }[]} items */
function cart(items) {
  return h("section", { class: "panel" }, h("h2", null, "Cart"),
    items.length === 0 ? h("p", { class: "faint" }, "Empty.") : h("dl", { class: "pairs" }, items.map((item) =>
      h("div", null, h("dt", null, item.product_id), h("dd", null, `× ${count(item.quantity)}`)))));
}

/** @param {Profile} profile */
function identities(profile) {
  const anonymous = profile.anonymous_ids ?? [];
  return h("section", { class: "panel" }, h("h2", null, "Identities"),
    h("dl", { class: "pairs" },
      h("div", null, h("dt", null, "Customer"), h("dd", null, profile.customer_id ?? "–")),
      h("div", null, h("dt", null, anonymous.length === 1 ? "Device" : "Devices"), h("dd", null, anonymous.length === 0 ? "–" : anonymous.map((id) => h("div", null, id))))));
}

/** The events of a profile, newest first, to be narrowed by type. */
class Timeline {
  /** @param {ShopEvent[]} events newest first @param {number} total */
  constructor(events, total) {
    this.events = events;
    this.type = "";
    this.limit = TIMELINE_STEP;
    /** @type {Map<string, number>} */
    const types = new Map();
    for (const event of events) types.set(event.event_type, (types.get(event.event_type) ?? 0) + 1);
    this.buttons = [["", events.length], ...[...types].sort((a, b) => b[1] - a[1])].map(([type, number]) => {
      const value = String(type);
      return h("button", { type: "button", class: "pill", "aria-pressed": String(value === ""), "data-type": value, onclick: () => this.narrow(value) },
        value ? words(value) : "All", h("span", { class: "faint" }, ` ${count(Number(number))}`));
    });
    this.list = h("ol", { class: "timeline" });
    this.element = h("section", { class: "panel", "aria-labelledby": "timeline-title" },
      h("h2", { id: "timeline-title" }, "Timeline"),
      total > events.length ? h("p", { class: "faint small" }, `The newest ${count(events.length)} of ${count(total)} events.`) : null,
      events.length === 0 ? h("p", { class: "faint" }, "No event yet.") : [h("div", { class: "pills", role: "group", "aria-label": "Type of event" }, this.buttons), this.list]);
    this.draw();
  }

  /** @param {string} type */
  narrow(type) {
    this.type = type;
    this.limit = TIMELINE_STEP;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.type === type));
    this.draw();
  }

  /** @param {string} id */
  has(id) {
    return this.events.some((event) => event.event_id === id);
  }

  /** Shows one event and marks it. @param {string} id */
  point(id) {
    this.limit = Math.max(this.limit, this.events.findIndex((event) => event.event_id === id) + 1);
    this.narrow("");
    this.limit = Math.max(TIMELINE_STEP, this.events.findIndex((event) => event.event_id === id) + 1);
    this.draw();
    const row = [...this.list.children].find((one) => one instanceof HTMLElement && one.dataset.event === id);
    if (!(row instanceof HTMLElement)) return;
    row.classList.add("pointed");
    row.scrollIntoView({ block: "center" });
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
  }

  draw() {
    const found = this.events.filter((event) => this.type === "" || event.event_type === this.type);
    let day = "";
    /** @type {HTMLElement[]} */
    const rows = [];
    for (const event of found.slice(0, this.limit)) {
      const date = instant(event.timestamp).split(",")[0] ?? "";
      if (date !== day) rows.push(h("li", { class: "day" }, h("h3", null, date)));
      day = date;
      rows.push(timelineRow(event));
    }
    fill(this.list, rows, found.length > this.limit ? h("li", { class: "more" }, h("button", {
      type: "button", onclick: () => {
        this.limit += TIMELINE_STEP;
        this.draw();
      },
    }, `Show more (${count(found.length - this.limit)} left)`)) : null);
  }
}

/** @param {ShopEvent} event */
function timelineRow(event) {
  const properties = Object.entries(event.properties ?? {});
  return h("li", { class: "moment", "data-event": event.event_id },
    time(event.timestamp, clockTime),
    h("div", null,
      h("p", null, chip(words(event.event_type), "event"), event.product_id ? h("span", null, ` ${event.product_id}`) : null),
      properties.length > 0 ? h("p", { class: "faint small" }, properties.slice(0, 6).map(([name, value]) => `${words(name).toLowerCase()}: ${plain(value)}`).join(" · ")) : null,
      h("details", null, h("summary", { "aria-label": `All of it: ${words(event.event_type)} at ${clockTime(event.timestamp)}` }, "All of it"), h("pre", { class: "code", tabindex: "0" }, pretty(event)))));
}

