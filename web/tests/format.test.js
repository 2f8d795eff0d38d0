// What the page says about counts, times and places in a text.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assignedName, caret, clockTime, count, csv, definition, duration, eventReader, instant, linePoints,
  offset, plain, pretty, rate, rates, readable, share, words,
} from "../static/format.js";

/**
 * Holds a function to a table of arguments and results.
 * @param {(...given: any[]) => unknown} act
 * @param {[unknown[], unknown][]} cases
 */
function check(act, cases) {
  for (const [given, expected] of cases) assert.deepEqual(act(...given), expected, `${act.name}(${JSON.stringify(given)})`);
}

test("counts and rates", () => {
  check(count, [[[0], "0"], [[1234567], "1,234,567"], [[undefined], "–"], [[NaN], "–"]]);
  check(rate, [[[0], "0"], [[12.34], "12.3"], [[1450.6], "1,451"], [[null], "–"]]);
  check(share, [[[1, 0], "–"], [[1, 4], "25 %"], [[1, 3], "33.3 %"], [[1, 100000], "< 0.1 %"], [[0, 5], "0 %"]]);
});

test("spans of time in the unit that reads best", () => {
  check(duration, [
    [[0], "0 ms"], [[0.04], "< 0.1 ms"], [[3.412], "3.4 ms"], [[18.91], "19 ms"], [[999], "999 ms"], [[1264.5], "1.3 s"],
    [[90_000], "1.5 min"], [[5_400_000], "1.5 h"], [[172_800_000], "2 days"], [[undefined], "–"],
  ]);
});

test("instants are shown in UTC, whatever their offset", () => {
  check(instant, [[["2026-11-24T12:24:31Z"], "24 Nov 2026, 12:24:31"], [["2026-01-01T00:30:00+01:00"], "31 Dec 2025, 23:30:00"], [["soon"], "soon"], [[null], "–"]]);
  check(clockTime, [[["2026-11-24T02:04:01.987Z"], "02:04:01"], [[""], "–"]]);
  check(readable, [[["entered A v2 at 2026-11-24T12:24:31.5Z, late"], "entered A v2 at 24 Nov 2026, 12:24:31, late"], [["2026 events"], "2026 events"]]);
});

test("names and values of the API in words", () => {
  check(words, [[["in_doubt"], "In doubt"], [["Sent"], "Sent"], [[undefined], "–"]]);
  check(plain, [[[null], "–"], [[["a", 1]], "a, 1"], [[[]], "none"], [[{ price: 2, tags: ["x"] }], "price 2, tags x"], [[false], "false"]]);
  check(pretty, [[['{"a":1}'], '{\n  "a": 1\n}'], [["{not json"], "{not json"], [[{ a: 1 }], '{\n  "a": 1\n}']]);
});

test("the caret stands under the column, counted in characters", () => {
  const text = "SELECT a\n\tWHERE 😀x = 1";
  assert.deepEqual(caret(text, 2, 9), { line: 2, source: " WHERE 😀x = 1", caret: "        ^" });
  assert.equal(caret(text, 3, 1), null);
  assert.equal(caret(text, undefined, 1), null);
  assert.equal(caret("ab", 1, 99)?.caret, "  ^", "past the end it stands after the last character");
});

test("a long line is cut around the caret", () => {
  const line = `${"a".repeat(300)}X${"b".repeat(300)}`;
  for (const column of [1, 2, 60, 150, 301, 600, 601]) {
    const shown = caret(line, 1, column, 80);
    assert.ok(shown);
    assert.ok([...shown.source].length <= 82);
    assert.equal(shown.source[shown.caret.length - 1], line[column - 1], `column ${column}`);
  }
});

test("a place is found in the text that was typed", () => {
  check(offset, [[["ab\ncd", 1, 1], 0], [["ab\ncd", 2, 2], 4], [["😀b", 1, 2], 2], [["ab", 9, 1], 2], [["ab\ncd", 1, 50], 2]]);
});

test("a text is told to be SQL or a rule by its first word", () => {
  check(definition, [
    [["SELECT 1"], { sql: "SELECT 1" }], [[" -- why\n/* a\nb */ with x as (…)"], { sql: " -- why\n/* a\nb */ with x as (…)" }],
    [["IF a = 1 THEN assign to 'x'"], { rule: "IF a = 1 THEN assign to 'x'" }], [["selected"], { rule: "selected" }],
  ]);
  check(assignedName, [[["IF a THEN assign to 'It''s'"], "It's"], [["IF a THEN ASSIGN TO 'x' ;\n"], "x"], [["SELECT 'assign to'"], ""]]);
});

test("CSV quotes what needs it and disarms formulas", () => {
  assert.equal(csv(["a", "b,c"], [{ a: 'say "x"', "b,c": null }, { a: "=1+1", "b,c": -2 }, { a: { x: 1 } }]),
    'a,"b,c"\r\n"say ""x""",\r\n\'=1+1,-2\r\n"{""x"":1}",\r\n');
});

test("server-sent events are read the same however they are cut", () => {
  const stream = ": hello\n\nevent: event\ndata: {\"a\":1}\n\ndata: one\r\ndata:two\r\n\r\nevent: x\n\nid: 7\revent: delivery\rdata: {}\r\rdata: unfinished";
  const expected = [{ kind: "event", data: '{"a":1}' }, { kind: "message", data: "one\ntwo" }, { kind: "delivery", data: "{}" }];
  for (let size = 1; size <= stream.length; size += 1) {
    /** @type {unknown[]} */
    const found = [];
    const read = eventReader((event) => found.push(event));
    for (let at = 0; at < stream.length; at += size) read(stream.slice(at, at + size));
    assert.deepEqual(found, expected, `in pieces of ${size}`);
  }
});

test("rates come from a counter's samples; a restart counts as nothing", () => {
  check(rates, [
    [[[]], []], [[[{ at: 0, value: 5 }]], []],
    [[[{ at: 0, value: 0 }, { at: 500, value: 50 }, { at: 1500, value: 10 }, { at: 1500, value: 20 }]], [100, 0, 0]],
  ]);
});

test("the line ends at the right edge and fits its box", () => {
  assert.equal(linePoints([0, 5, 10], 100, 20, 5), "50.0,20.0 75.0,10.0 100.0,0.0");
  assert.equal(linePoints([0], 100, 20, 5), "100.0,20.0");
  assert.equal(linePoints([], 100, 20, 5), "");
});
