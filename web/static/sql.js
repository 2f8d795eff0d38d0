// SQL: questions to everything that was kept.

import * as api from "./api.js";
import { download, fill, h, heading, loading } from "./dom.js";
import { count, csv, duration, offset, plain } from "./format.js";
import { problemBox } from "./parts.js";

/** More rows than this make a page slow and nobody wiser. */
const ROWS_SHOWN = 500;

const EXAMPLES = [
  { name: "Events by type", text: "SELECT event_type, count(*) AS events\nFROM events\nGROUP BY event_type\nORDER BY events DESC" },
  { name: "Best customers", text: "SELECT customer_id, total_spent, orders, last_seen\nFROM customer_data\nORDER BY total_spent DESC NULLS LAST\nLIMIT 20" },
  { name: "Members by segment", text: "SELECT segment, count(*) AS members\nFROM memberships\nWHERE exited_at IS NULL\nGROUP BY segment\nORDER BY members DESC" },
  { name: "Refused events", text: "SELECT code, field, count(*) AS events, max(received_at) AS last_one\nFROM quarantine\nGROUP BY code, field\nORDER BY events DESC" },
  { name: "What became of mails", text: "SELECT campaign, decision, status, count(*) AS deliveries\nFROM deliveries\nGROUP BY campaign, decision, status\nORDER BY campaign, decision, status" },
];

/** Kept while other pages are shown. */
let text = EXAMPLES[0]?.text ?? "";

/** @param {View} view */
export function sql(view) {
  const field = h("textarea", { id: "sql", class: "code", rows: "6", spellcheck: "false", autocapitalize: "off", "aria-describedby": "sql-help" });
  field.value = text;
  const run = h("button", { type: "submit", class: "primary" }, "Run");
  const result = h("section", { class: "result", "aria-label": "Result", "aria-live": "polite" });

  const ask = async () => {
    text = field.value;
    if (text.trim() === "") return;
    run.disabled = true;
    field.removeAttribute("aria-invalid");
    fill(result, loading());
    const began = performance.now();
    try {
      const answer = await api.sql(text, view.signal);
      fill(result, rowsFound(answer, performance.now() - began));
    } catch (error) {
      if (view.signal.aborted) return;
      fill(result, problemBox(error, text));
      if (error instanceof api.Failure && error.problem.line) {
        const at = offset(text, error.problem.line, error.problem.column ?? 1);
        field.setAttribute("aria-invalid", "true");
        field.focus();
        field.setSelectionRange(at, at);
      }
    } finally {
      run.disabled = false;
    }
  };
  field.addEventListener("input", () => {
    text = field.value;
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      ask();
    }
  });
  fill(view.root,
    heading("SQL", "Over events, customer_data, segments, memberships, deliveries, catalog and quarantine."),
    h("form", {
      class: "editor",
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        ask();
      },
    },
    h("div", { class: "pills", role: "group", "aria-label": "Examples" }, EXAMPLES.map((one) => h("button", {
      type: "button", class: "pill", onclick: () => {
        text = field.value = one.text;
        ask();
      },
    }, one.name))),
    h("label", { for: "sql" }, "Query"), field,
    h("div", { class: "actions" }, run, h("p", { class: "faint small", id: "sql-help" }, "Ctrl + Enter runs it."))),
    result);
}

/**
 * @param {SqlResult} answer
 * @param {number} ms
 */
function rowsFound(answer, ms) {
  const { columns, rows } = answer;
  const numbers = new Set(columns.filter((one) => /int|float|decimal|double/i.test(one.type)).map((one) => one.name));
  const shown = rows.slice(0, ROWS_SHOWN);
  const said = `${rows.length === 1 ? "1 row" : `${count(rows.length)} rows`} in ${duration(ms)}${rows.length > shown.length ? `, the first ${count(shown.length)} shown` : ""}${answer.truncated ? "; there are more: narrow the question or use the command line" : ""}`;
  const save = h("button", {
    type: "button", class: "small",
    onclick: () => download(new Blob([csv(columns.map((one) => one.name), rows)], { type: "text/csv" }), "result.csv"),
  }, "Download CSV");
  return [
    h("div", { class: "bar-line" }, h("p", { class: "faint" }, said), rows.length > 0 ? save : null),
    rows.length === 0 ? null : h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" },
      h("table", { class: "grid" },
        h("thead", null, h("tr", null, columns.map((one) => h("th", { scope: "col", class: numbers.has(one.name) ? "number" : null, title: one.type }, one.name)))),
        h("tbody", null, shown.map((row) => h("tr", null, columns.map((one) => {
          const value = row[one.name];
          return h("td", { class: [numbers.has(one.name) ? "number" : "", value === null || value === undefined ? "faint" : ""].filter(Boolean).join(" ") || null },
            value === null || value === undefined ? "null" : plain(value));
        })))))),
  ];
}
