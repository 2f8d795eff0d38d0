// Segments: who belongs to what, since when, by which rule; and changing rules.

import * as api from "./api.js";
import { addRows, chip, empty, fill, h, heading, loading, notice, table, tabs, time } from "./dom.js";
import { assignedName, count, definition, instant, offset, words } from "./format.js";
import { causeText, changeChip, go, load, personLink, problemBox, segmentLink } from "./parts.js";

const EXAMPLE = `IF event_type = 'cart_abandonment' AND event_time >= now() - 24 hours
THEN assign to 'Abandoned Cart Last 24h'`;

/** @param {View} view */
export function segments(view) {
  const [name] = view.path;
  if (name !== undefined) showSegment(view, name);
  else if (view.query.has("new")) showNew(view);
  else showList(view);
}

/** @param {View} view */
function showList(view) {
  const body = h("div");
  fill(view.root,
    heading("Segments", "Groups of people, kept up to date with each event and each passing moment.",
      h("a", { class: "button primary", href: "#/segments?new" }, "New segment")),
    body);
  load(body, view.signal, () => api.segments(view.signal), ({ segments: found, sequences = [] }) => {
    if (found.length === 0) {
      fill(body, empty("No segment yet", "A segment says who belongs to a group, as a rule or as SQL.",
        h("a", { class: "button", href: "#/segments?new" }, "Write the first one")));
    } else {
      fill(body, table("Segments", [
        { head: "Segment", class: "strong", cell: (one) => [segmentLink(one.name), one.live === false ? [" ", chip("Not live", "warn")] : null].flat() },
        { head: "Members", class: "number", cell: (one) => [count(one.members), one.anonymous_members ? h("span", { class: "faint small" }, ` + ${count(one.anonymous_members)} anonymous`) : null] },
        { head: "Version", class: "number", cell: (one) => `v${one.version}` },
        { head: "Rule", wide: true, cell: (one) => h("code", { class: "rule-line" }, ruleOf(one)) },
      ], found));
    }
    if (sequences.length > 0) {
      body.append(h("section", { class: "gap" }, h("h2", null, "Derived events"),
        h("p", { class: "lead" }, "Events that Signalpost makes by itself when something was begun and not finished."),
        table("Derived events", [
          { head: "Name", class: "strong", cell: (one) => one.name },
          { head: "Version", class: "number", cell: (one) => `v${one.version}` },
          { head: "Rule", wide: true, cell: (one) => h("code", { class: "rule-line" }, one.rule) },
        ], sequences)));
    }
  });
}

/** @param {Segment} segment */
function ruleOf(segment) {
  return segment.rule || segment.sql || "";
}

/** @param {View} view */
function showNew(view) {
  const body = h("div", { class: "panel" });
  fill(view.root, back(), heading("New segment", "Write a rule or a SELECT; check it, see whom it finds, then apply it."), body);
  body.append(editor("", "", (segment) => go(`#/segments/${encodeURIComponent(segment.name)}`)));
}

function back() {
  return h("p", { class: "back" }, h("a", { href: "#/segments" }, "← All segments"));
}

/**
 * @param {View} view
 * @param {string} name
 */
function showSegment(view, name) {
  const body = h("div");
  fill(view.root, back(), heading(name), body);
  const refresh = () => load(body, view.signal, () => api.segment(name, view.signal), (segment) => {
    fill(body,
      h("dl", { class: "facts" },
        fact("Members", count(segment.members)),
        fact("Anonymous", count(segment.anonymous_members ?? 0)),
        fact("Version", `v${segment.version}`),
        fact("In force since", time(segment.since)),
        segment.live === false ? fact("State", chip("Not live", "warn")) : null),
      tabs(`About ${name}`, [
        { name: "Members", show: (panel) => showMembers(panel, view.signal, name) },
        { name: "Changes", show: (panel) => showChanges(panel, view.signal, name) },
        { name: "Rule", show: (panel) => showRule(panel, view.signal, segment) },
        {
          name: "Edit", show: (panel) => fill(panel, editor(name, ruleOf(segment), (saved) => {
            notice(`${saved.name} is now at version ${saved.version}.`);
            refresh();
          })),
        },
      ]));
  });
  refresh();
}

/** @param {string} name @param {Node | string} value */
function fact(name, value) {
  return h("div", null, h("dt", null, name), h("dd", null, value));
}

/**
 * @param {HTMLElement} panel
 * @param {AbortSignal} signal
 * @param {string} name
 */
function showMembers(panel, signal, name) {
  const list = h("div");
  const field = h("input", { type: "datetime-local", id: "members-at", step: "1" });
  const now = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => { field.value = ""; now.hidden = true; show(null); } }, "Back to now");
  const form = h("form", {
    class: "line-form",
    onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      now.hidden = field.value === "";
      show(field.value ? new Date(`${field.value}Z`).toISOString() : null);
    },
  }, h("label", { for: "members-at" }, "Members at (UTC)"), field, h("button", { type: "submit" }, "Show"), now);
  fill(panel, form, list);

  /** @type {Parameters<typeof addRows<Member>>[1]} */
  const columns = [
    { head: "Customer", class: "strong", cell: (one) => personLink(one) },
    { head: "Entered", cell: (one) => time(one.entered_at) },
    { head: "By version", class: "number", cell: (one) => (one.version ? `v${one.version}` : "–") },
  ];
  /** @param {string | null} at */
  const show = (at) => load(list, signal, () => api.members(name, { at }, signal), (answer) => {
    if (answer.members.length === 0) {
      fill(list, empty(at ? "Nobody was in this segment then" : "Nobody is in this segment now"));
      return;
    }
    const found = table(`Members of ${name}`, columns, answer.members);
    const more = h("p", { class: "more" });
    fill(list, found, more);
    /** @param {string | null | undefined} next */
    const offer = (next) => {
      fill(more, next ? h("button", {
        type: "button", onclick: async () => {
          fill(more, loading());
          try {
            const page = await api.members(name, { at, cursor: next }, signal);
            const rows = found.tBodies[0];
            if (rows) addRows(rows, columns, page.members);
            offer(page.next);
          } catch (error) {
            if (!signal.aborted) fill(more, problemBox(error));
          }
        },
      }, "Show more") : null);
    };
    offer(answer.next);
  });
  show(null);
}

/**
 * @param {HTMLElement} panel
 * @param {AbortSignal} signal
 * @param {string} name
 */
function showChanges(panel, signal, name) {
  load(panel, signal, () => api.changes(name, signal), ({ changes, total }) => {
    if (changes.length === 0) {
      fill(panel, empty("No change yet", "Who enters or leaves is noted here with its cause."));
      return;
    }
    fill(panel,
      total && total > changes.length ? h("p", { class: "faint" }, `The newest ${count(changes.length)} of ${count(total)}.`) : null,
      table(`Changes of ${name}`, [
        { head: "When", cell: (one) => time(one.at) },
        { head: "Change", cell: (one) => changeChip(one.change) },
        { head: "Customer", class: "strong", cell: (one) => personLink(one) },
        { head: "Version", class: "number", cell: (one) => (one.version ? `v${one.version}` : "–") },
        { head: "Cause", wide: true, cell: (one) => causeText(one.cause) },
      ], changes));
  });
}

/**
 * @param {HTMLElement} panel
 * @param {AbortSignal} signal
 * @param {Segment} segment
 */
function showRule(panel, signal, segment) {
  const older = h("section", { class: "gap" });
  fill(panel,
    h("h2", null, "In force"),
    h("pre", { class: "code", tabindex: "0" }, ruleOf(segment)),
    segment.sql && segment.sql !== segment.rule
      ? [h("h2", null, "The same as SQL"), h("p", { class: "faint" }, "At every instant the members are exactly what this finds."), h("pre", { class: "code", tabindex: "0" }, segment.sql)]
      : null,
    older);
  load(older, signal, () => api.versions(segment.name, signal), ({ versions }) => {
    const former = versions.filter((one) => one.version !== segment.version).sort((a, b) => b.version - a.version);
    if (former.length === 0) return;
    fill(older, h("h2", null, "Earlier versions"), former.map((one) =>
      h("details", null, h("summary", null, `v${one.version}, from ${instant(one.at)}`), h("pre", { class: "code", tabindex: "0" }, one.rule))));
  });
}

/**
 * The form that checks, previews and applies a segment's text.
 * @param {string} name fixed when not empty
 * @param {string} text
 * @param {(segment: Segment) => void} applied
 */
function editor(name, text, applied) {
  const nameField = h("input", { id: "segment-name", name: "name", autocomplete: "off", maxlength: "200", value: name, readonly: name !== "" });
  const textField = h("textarea", {
    id: "segment-text", class: "code", rows: "7", spellcheck: "false", autocapitalize: "off", placeholder: EXAMPLE,
    "aria-describedby": "segment-help",
  });
  textField.value = text;
  const result = h("div", { class: "result", "aria-live": "polite" });

  textField.addEventListener("input", () => {
    const assigned = assignedName(textField.value);
    if (name === "" && assigned) nameField.value = assigned;
    textField.removeAttribute("aria-invalid");
  });

  /** @param {(body: object) => Promise<void>} act */
  const run = async (act) => {
    const sent = textField.value;
    if (sent.trim() === "") {
      fill(result, h("p", { class: "field-problem" }, "Write a rule or a SELECT first."));
      textField.focus();
      return;
    }
    for (const button of buttons) button.disabled = true;
    try {
      textField.removeAttribute("aria-invalid");
      await act({ ...definition(sent), ...(nameField.value.trim() ? { name: nameField.value.trim() } : {}) });
    } catch (error) {
      fill(result, problemBox(error, sent));
      if (error instanceof api.Failure && error.problem.line) {
        const at = offset(sent, error.problem.line, error.problem.column ?? 1);
        textField.setAttribute("aria-invalid", "true");
        textField.focus();
        textField.setSelectionRange(at, at);
      }
    } finally {
      for (const button of buttons) button.disabled = false;
      result.scrollIntoView({ block: "nearest" });
    }
  };

  const check = () => run(async (body) => {
    const found = await api.checkSegment(body);
    if (found.name && name === "" && !nameField.value) nameField.value = found.name;
    fill(result, h("p", { class: "good-text" }, found.kind === "sequence" ? `This is a rule that makes ${found.emits ?? "events"}.` : "This can be kept live."),
      found.text ? h("pre", { class: "code", tabindex: "0" }, found.text) : null,
      found.sql && found.sql !== found.text ? [h("h3", null, "As SQL"), h("pre", { class: "code", tabindex: "0" }, found.sql)] : null);
  });

  const preview = () => run(async (body) => {
    fill(result, loading());
    const found = await api.previewSegment(body);
    const changed = found.added !== undefined && found.removed !== undefined;
    fill(result,
      h("p", { class: "good-text" }, found.count === 1 ? "1 person belongs to it now." : `${count(found.count)} people belong to it now.`),
      changed && name !== "" ? h("p", null, `Compared with the version in force: ${count(found.added)} would enter, ${count(found.removed)} would leave.`) : null,
      found.sample.length > 0 ? [h("h3", null, "Some of them"), h("ul", { class: "people" }, found.sample.map((id) => h("li", null, personLink({ customer_id: id }))))] : null);
  });

  const apply = () => run(async (body) => {
    const wanted = nameField.value.trim();
    if (wanted === "") {
      fill(result, h("p", { class: "field-problem" }, "Give the segment a name first."));
      nameField.focus();
      return;
    }
    fill(result, loading());
    const saved = await api.putSegment(wanted, body);
    fill(result, h("p", { class: "good-text" }, `${words(saved.name)} is in force, version ${saved.version}.`));
    applied(saved);
  });

  const buttons = [
    h("button", { type: "button", onclick: check }, "Check"),
    h("button", { type: "button", onclick: preview }, "Preview"),
    h("button", { type: "submit", class: "primary" }, "Apply"),
  ];
  return h("form", {
    class: "editor",
    onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      apply();
    },
  },
  h("label", { for: "segment-name" }, "Name"), nameField,
  h("label", { for: "segment-text" }, "Rule or SQL"), textField,
  h("p", { class: "faint small", id: "segment-help" }, "Either IF … THEN assign to 'Name', or SELECT customer_id FROM customer_data WHERE …"),
  h("div", { class: "actions" }, buttons), result);
}
