// Turns what the server says into what people read. Pure: no page, no network.

const WHOLE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const TENTH = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * A count with thousands separators; a dash when there is none.
 * @param {number | null | undefined} value
 */
export function count(value) {
  return typeof value === "number" && Number.isFinite(value) ? WHOLE.format(value) : "–";
}

/**
 * A rate: one decimal below 100, none above.
 * @param {number | null | undefined} value
 */
export function rate(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  return value < 100 ? TENTH.format(value) : WHOLE.format(value);
}

/**
 * A span of time given in milliseconds, in the unit that reads best.
 * @param {number | null | undefined} ms
 */
export function duration(ms) {
  if (typeof ms !== "number" || !Number.isFinite(ms)) return "–";
  if (ms < 0.1) return ms <= 0 ? "0 ms" : "< 0.1 ms";
  if (ms < 10) return `${TENTH.format(ms)} ms`;
  if (ms < 1_000) return `${WHOLE.format(ms)} ms`;
  if (ms < 60_000) return `${TENTH.format(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${TENTH.format(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${TENTH.format(ms / 3_600_000)} h`;
  return `${TENTH.format(ms / 86_400_000)} days`;
}

/**
 * The share of a part in a whole, in percent.
 * @param {number} part
 * @param {number} whole
 */
export function share(part, whole) {
  if (!(whole > 0)) return "–";
  const percent = (part / whole) * 100;
  if (percent > 0 && percent < 0.1) return "< 0.1 %";
  return `${TENTH.format(percent)} %`;
}

/** @param {number} value */
function two(value) {
  return String(value).padStart(2, "0");
}

/**
 * An instant in UTC: `24 Nov 2026, 12:24:31`; the text itself when it is no time.
 * @param {string | null | undefined} text
 */
export function instant(text) {
  if (!text) return "–";
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  const date = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
  return `${date}, ${clockTime(text)}`;
}

/**
 * The time of day of an instant, in UTC: `12:24:31`.
 * @param {string | null | undefined} text
 */
export function clockTime(text) {
  if (!text) return "–";
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
}

/**
 * A sentence of the server with the instants in it made readable.
 * @param {string} text
 */
export function readable(text) {
  return text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (found) => instant(found));
}

/**
 * A name of the API as words: `in_doubt` becomes `In doubt`.
 * @param {string | null | undefined} name
 */
export function words(name) {
  if (!name) return "–";
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * Any JSON value on one line.
 * @param {unknown} value
 * @returns {string}
 */
export function plain(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(plain).join(", ");
  return Object.entries(value).map(([name, part]) => `${name} ${plain(part)}`).join(", ");
}

/**
 * JSON to be read by people. Text that is no JSON is left as it is.
 * @param {unknown} value
 */
export function pretty(value) {
  if (typeof value !== "string") return JSON.stringify(value, null, 2) ?? "";
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}

/**
 * The line of a text that a problem is about, and a caret under the column.
 * Tabs are shown as one space and a long line is cut around the caret, so that
 * the caret stands where it should. `null` when the place is not in the text.
 * @param {string} text
 * @param {number | null | undefined} line from 1
 * @param {number | null | undefined} column in characters, from 1
 * @param {number} [width] characters shown at most
 * @returns {{ line: number, source: string, caret: string } | null}
 */
export function caret(text, line, column, width = 100) {
  if (!line || line < 1) return null;
  const source = text.split(/\r\n|\r|\n/)[line - 1];
  if (source === undefined) return null;
  const characters = [...source.replaceAll("\t", " ")];
  const at = Math.min(Math.max(column ?? 1, 1), characters.length + 1) - 1;
  const start = characters.length > width ? Math.max(0, Math.min(at - Math.floor(width * 0.6), characters.length - width)) : 0;
  const before = start > 0 ? "…" : "";
  const end = start + width;
  const after = end < characters.length ? "…" : "";
  return {
    line,
    source: before + characters.slice(start, end).join("") + after,
    caret: " ".repeat(at - start + before.length) + "^",
  };
}

/**
 * Where a place in a text is, counted in UTF-16 units as text fields count.
 * @param {string} text
 * @param {number} line from 1
 * @param {number} column in characters, from 1
 */
export function offset(text, line, column) {
  const lines = text.split("\n");
  if (line > lines.length) return text.length;
  const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const within = [...(lines[line - 1] ?? "")].slice(0, Math.max(0, column - 1)).join("").length;
  return before + within;
}

/**
 * The body that carries a segment's text: `{sql}` for a query, else `{rule}`.
 * @param {string} text
 * @returns {{ sql: string } | { rule: string }}
 */
export function definition(text) {
  const bare = text.replace(/^(\s*(--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/))*\s*/, "");
  return /^(select|with)\b/i.test(bare) ? { sql: text } : { rule: text };
}

/**
 * The name a rule assigns to (`… THEN assign to 'Name'`), or an empty text.
 * @param {string} text
 */
export function assignedName(text) {
  const found = /\bassign\s+to\s+'((?:[^']|'')*)'\s*;?\s*$/i.exec(text);
  return found?.[1] ? found[1].replaceAll("''", "'") : "";
}

/**
 * Rows as CSV (RFC 4180). A text that a spreadsheet would run as a formula
 * gets an apostrophe before it.
 * @param {string[]} columns
 * @param {Record<string, unknown>[]} rows
 */
export function csv(columns, rows) {
  /** @param {unknown} value */
  const field = (value) => {
    if (value === null || value === undefined) return "";
    let text = typeof value === "object" ? JSON.stringify(value) : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns.map(field).join(",")];
  for (const row of rows) lines.push(columns.map((name) => field(row[name])).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

/**
 * Reads server-sent events (the WHATWG's format) as pieces of text come in.
 * @param {(event: { kind: string, data: string }) => void} receive
 * @returns {(piece: string) => void}
 */
export function eventReader(receive) {
  let rest = "";
  let kind = "";
  /** @type {string[]} */
  let data = [];
  /** @param {string} line */
  const take = (line) => {
    if (line === "") {
      if (data.length > 0) receive({ kind: kind || "message", data: data.join("\n") });
      kind = "";
      data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") kind = value;
    else if (name === "data") data.push(value);
  };
  return (piece) => {
    rest += piece;
    // A CR at the end may be half of a CR LF: it waits for what follows.
    const ends = /\r\n|\n|\r(?!$)/g;
    let start = 0;
    for (let end = ends.exec(rest); end; end = ends.exec(rest)) {
      take(rest.slice(start, end.index));
      start = ends.lastIndex;
    }
    rest = rest.slice(start);
  };
}

/**
 * Events a second from samples of a counter: one number between each two
 * neighbours. A counter that fell back (a restarted server) counts as nothing.
 * @param {{ at: number, value: number }[]} samples `at` in milliseconds
 */
export function rates(samples) {
  /** @type {number[]} */
  const found = [];
  for (let i = 1; i < samples.length; i += 1) {
    const before = samples[i - 1];
    const after = samples[i];
    if (!before || !after) continue;
    const seconds = (after.at - before.at) / 1_000;
    found.push(seconds > 0 ? Math.max(0, after.value - before.value) / seconds : 0);
  }
  return found;
}

/**
 * A line through values, as the points of an SVG polyline in a box.
 * @param {number[]} values oldest first
 * @param {number} width
 * @param {number} height
 * @param {number} capacity values the box is wide for
 */
export function linePoints(values, width, height, capacity) {
  const top = Math.max(1, ...values);
  const step = width / Math.max(1, capacity - 1);
  const start = width - step * (values.length - 1);
  return values
    .map((value, i) => `${(start + i * step).toFixed(1)},${(height - (value / top) * height).toFixed(1)}`)
    .join(" ");
}
