// Builds what the pages show. Every text becomes a text node, never markup.

import { instant } from "./format.js";

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element. Names beginning with `on` are listeners, `class` is the class,
 * `data-…`, `aria-…` and the rest are attributes; `false` and `null` leave out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown> | null} [properties]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

/**
 * @param {Element} parent
 * @param {(Child | Child[])[]} children
 */
function append(parent, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Puts new content in place of the old.
 * @param {Element} parent
 * @param {...(Child | Child[])} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

/**
 * Sets a text only when it changed, so that nothing is laid out for nothing.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * An SVG element.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @param {...SVGElement} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * A time, readable, with the exact one kept for machines and on hovering.
 * @param {string | null | undefined} text RFC 3339
 * @param {(text: string) => string} [show]
 */
export function time(text, show = instant) {
  return text ? h("time", { datetime: text, title: text }, show(text)) : h("span", { class: "faint" }, "–");
}

/**
 * A status in a word; the colour only repeats what the word says.
 * @param {string} text
 * @param {string} [tone] good, bad, warn, info or none
 */
export function chip(text, tone = "none") {
  return h("span", { class: `chip ${tone}` }, text);
}

/**
 * The head of a page: the title, what it is for, and what one can do there.
 * @param {string} title
 * @param {string} [lead]
 * @param {...Child} actions
 */
export function heading(title, lead, ...actions) {
  return h("header", { class: "page-head" },
    h("div", null, h("h1", { tabindex: "-1" }, title), lead ? h("p", { class: "lead" }, lead) : null),
    actions.length > 0 ? h("div", { class: "actions" }, actions) : null);
}

/**
 * A table that becomes a list of cards on a narrow screen.
 * @template Row
 * @param {string} caption read aloud, not shown
 * @param {{ head: string, cell: (row: Row) => Child | Child[], class?: string, wide?: boolean }[]} columns
 * @param {Row[]} rows
 * @param {(row: Row, element: HTMLTableRowElement) => void} [finish] called for each row
 */
export function table(caption, columns, rows, finish) {
  const body = h("tbody", { role: "rowgroup" });
  addRows(body, columns, rows, finish);
  const head = h("tr", { role: "row" },
    columns.map((column) => h("th", { scope: "col", role: "columnheader", class: column.class ?? null },
      column.head || h("span", { class: "unseen" }, "Actions"))));
  return h("table", { class: "cards", role: "table" }, h("caption", { class: "unseen" }, caption), h("thead", { role: "rowgroup" }, head), body);
}

/**
 * More rows for a table made by `table`.
 * @template Row
 * @param {HTMLTableSectionElement} body
 * @param {{ head: string, cell: (row: Row) => Child | Child[], class?: string, wide?: boolean }[]} columns
 * @param {Row[]} rows
 * @param {(row: Row, element: HTMLTableRowElement) => void} [finish]
 */
export function addRows(body, columns, rows, finish) {
  for (const row of rows) {
    const cells = columns.map((column) =>
      h("td", { role: "cell", "data-head": column.head, class: [column.class, column.wide ? "wide" : ""].filter(Boolean).join(" ") || null }, content(column.cell(row))));
    const element = h("tr", { role: "row" }, cells);
    finish?.(row, element);
    body.append(element);
  }
}

/**
 * Several things in a cell stay together, also where the cell is a grid.
 * @param {Child | Child[]} cell
 */
function content(cell) {
  return Array.isArray(cell) ? h("div", null, cell) : cell;
}

/**
 * What stands where there is nothing to show.
 * @param {string} title
 * @param {string} [text]
 * @param {...Child} actions
 */
export function empty(title, text, ...actions) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), text ? h("p", null, text) : null, actions);
}

/** What stands where something is being fetched. */
export function loading() {
  return h("p", { class: "loading", role: "status" }, "Loading…");
}

/**
 * A short message at the foot of the page, gone after a while.
 * @param {string} text
 * @param {"good" | "bad"} [tone]
 */
export function notice(text, tone = "good") {
  const element = h("p", { class: `notice-line ${tone}` }, text);
  document.getElementById("notices")?.append(element);
  setTimeout(() => element.remove(), tone === "bad" ? 9_000 : 5_000);
}

/**
 * Asks before something that cannot be taken back.
 * @param {string} title
 * @param {string} text
 * @param {string} yes what the button says
 * @returns {Promise<boolean>}
 */
export function confirm(title, text, yes) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "confirm-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "confirm-title" }, title),
        h("p", null, text),
        h("div", { class: "actions" },
          h("button", { value: "no", class: "quiet" }, "Cancel"),
          h("button", { value: "yes", class: "danger" }, yes))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Tabs: one of several panels at a time, moved between with the arrow keys.
 * @param {string} label
 * @param {{ name: string, show: (panel: HTMLElement) => void }[]} tabs
 */
export function tabs(label, tabs) {
  const prefix = `tab-${Math.random().toString(36).slice(2)}`;
  const panel = h("div", { role: "tabpanel", class: "tab-panel", id: `${prefix}-panel`, tabindex: "0" });
  const buttons = tabs.map((tab, i) => h("button", {
    type: "button", role: "tab", id: `${prefix}-${i}`, "aria-controls": panel.id, onclick: () => choose(i),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = (to + tabs.length) % tabs.length;
      choose(next);
      buttons[next]?.focus();
    },
  }, tab.name));
  /** @param {number} chosen */
  const choose = (chosen) => {
    buttons.forEach((button, i) => {
      button.setAttribute("aria-selected", String(i === chosen));
      button.tabIndex = i === chosen ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", `${prefix}-${chosen}`);
    panel.replaceChildren();
    tabs[chosen]?.show(panel);
  };
  choose(0);
  return h("div", { class: "tabs" }, h("div", { role: "tablist", "aria-label": label }, buttons), panel);
}

/**
 * Gives a file to the reader's browser.
 * @param {Blob} blob
 * @param {string} name
 */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
