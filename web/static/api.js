// The only way to the server: the key, every path, every answer.
// Nothing is put into an address but what the server's own API asks for.

import { eventReader } from "./format.js";

const KEY = "signalpost.key";

/** The key this tab signed in with; it is gone when the tab is closed. */
export function key() {
  return sessionStorage.getItem(KEY);
}

/** @param {string | null} value */
export function setKey(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/**
 * Takes the key out of an address such as `http://host/#key=KEY`, and out of
 * sight. The router reads the address afterwards.
 * @returns {boolean} whether there was one
 */
export function takeKeyFromAddress() {
  const found = /^#key=(.+)$/.exec(location.hash);
  if (!found?.[1]) return false;
  let value = found[1];
  try {
    value = decodeURIComponent(value);
  } catch {
    // A key with a lone per cent sign is taken as it stands.
  }
  setKey(value);
  history.replaceState(null, "", location.pathname);
  return true;
}

/** An answer that is no success, or none at all (`status` 0). */
export class Failure extends Error {
  /**
   * @param {number} status
   * @param {Problem} problem
   */
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** Called when the server does not know the key; set by the page. */
export const session = {
  /** @type {(why: string) => void} */
  refused: () => {},
};

/**
 * @param {string} path
 * @param {RequestInit & { signal?: AbortSignal }} [options]
 */
async function request(path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json", .../** @type {Record<string, string>} */ (options.headers) };
  const secret = key();
  if (secret) headers.authorization = `Bearer ${secret}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Failure(0, { title: "No connection", detail: "The server cannot be reached. Is it still running?" });
  }
  if (response.ok) return response;
  /** @type {Problem} */
  let problem = { title: response.statusText || `Status ${response.status}` };
  try {
    const body = await response.json();
    if (body && typeof body === "object") problem = body;
  } catch {
    // Not a problem document: the status has to do.
  }
  if (response.status === 401) session.refused("The server does not know this key. It may have been revoked.");
  throw new Failure(response.status, problem);
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
async function get(path, signal) {
  return (await request(path, signal ? { signal } : {})).json();
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
async function send(method, path, body, signal) {
  const response = await request(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    ...(signal ? { signal } : {}),
  });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/**
 * A path with its names escaped and its empty parameters left out.
 * @param {string[]} parts
 * @param {Record<string, string | number | null | undefined>} [query]
 */
function path(parts, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const tail = search.size > 0 ? `?${search}` : "";
  return `/api/${parts.map(encodeURIComponent).join("/")}${tail}`;
}

/** Quarantined events fetched at once. */
export const QUARANTINE_PAGE = 200;

/** @type {(signal?: AbortSignal) => Promise<Stats>} */
export const stats = (signal) => get(path(["stats"]), signal);

/** @type {(signal?: AbortSignal) => Promise<{ segments: Segment[], sequences?: Sequence[] }>} */
export const segments = (signal) => get(path(["segments"]), signal);

/** @type {(name: string, signal?: AbortSignal) => Promise<Segment>} */
export const segment = (name, signal) => get(path(["segments", name]), signal);

/** @type {(name: string, query: { cursor?: string | null, at?: string | null }, signal?: AbortSignal) => Promise<{ members: Member[], next?: string | null }>} */
export const members = (name, query, signal) => get(path(["segments", name, "members"], { limit: 100, ...query }), signal);

/** @type {(name: string, signal?: AbortSignal) => Promise<{ changes: Membership[], total?: number }>} */
export const changes = (name, signal) => get(path(["segments", name, "history"], { limit: 200 }), signal);

/** @type {(name: string, signal?: AbortSignal) => Promise<{ versions: SegmentVersion[] }>} */
export const versions = (name, signal) => get(path(["segments", name, "versions"]), signal);

/** @type {(body: object) => Promise<Checked>} */
export const checkSegment = (body) => send("POST", path(["segments", "check"]), body);

/** @type {(body: object) => Promise<Preview>} */
export const previewSegment = (body) => send("POST", path(["segments", "preview"]), body);

/** @type {(name: string, body: object) => Promise<Segment>} */
export const putSegment = (name, body) => send("PUT", path(["segments", name]), body);

/** @type {(query: string, signal?: AbortSignal) => Promise<{ profiles: FoundProfile[] }>} */
export const findProfiles = (query, signal) => get(path(["profiles"], { query }), signal);

/** @type {(id: string, signal?: AbortSignal) => Promise<Profile>} */
export const profile = (id, signal) => get(path(["profiles", id]), signal);

/** @type {(id: string, segment: string, signal?: AbortSignal) => Promise<Explanation>} */
export const explain = (id, segment, signal) => get(path(["profiles", id, "explain"], { segment }), signal);

/** @type {(before: string | null, signal?: AbortSignal) => Promise<{ messages: MailHead[] }>} */
export const inbox = (before, signal) => get(path(["inbox"], { limit: 100, before }), signal);

/** @type {(id: string, signal?: AbortSignal) => Promise<Mail>} */
export const mail = (id, signal) => get(path(["inbox", id]), signal);

/** @type {(id: string) => Promise<Blob>} */
export const mailFile = async (id) => (await request(path(["inbox", id, "eml"]), { headers: { accept: "message/rfc822, */*" } })).blob();

/** @type {(status: string, signal?: AbortSignal) => Promise<{ deliveries: Delivery[] }>} */
export const deliveries = (status, signal) => get(path(["deliveries"], { status, limit: 200 }), signal);

/** @type {(id: string) => Promise<unknown>} */
export const retryDelivery = (id) => send("POST", path(["deliveries", id, "retry"]));

/** @type {(reason: string, from: number | null, signal?: AbortSignal) => Promise<{ quarantined: Quarantined[], total: number }>} */
export const quarantine = (reason, from, signal) => get(path(["quarantine"], { limit: QUARANTINE_PAGE, reason, from }), signal);

/** @type {(act: "replay" | "drop", which: { ids: (number | string)[] } | { reason: string }) => Promise<Record<string, unknown> | null>} */
export const settleQuarantine = (act, which) => send("POST", path(["quarantine", act]), which);

/** @type {(text: string, signal?: AbortSignal) => Promise<SqlResult>} */
export const sql = (text, signal) => send("POST", path(["sql"]), { sql: text }, signal);

/**
 * Listens to what happens, until the signal is given; connects again after a
 * loss, waiting longer each time, 15 s at most.
 * EventSource cannot send a key in a header, so the stream is read by hand.
 * @param {(kind: string, data: string) => void} receive
 * @param {(state: "connecting" | "open" | "lost") => void} tell
 * @param {AbortSignal} signal
 */
export async function listen(receive, tell, signal) {
  let wait = 500;
  while (!signal.aborted) {
    tell("connecting");
    try {
      const response = await request(path(["live"]), { signal, headers: { accept: "text/event-stream" } });
      if (!response.body) throw new Failure(0, { detail: "The stream is empty." });
      tell("open");
      const read = eventReader(({ kind, data }) => receive(kind, data));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        wait = 500;
        read(piece.value);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Failure && (error.status === 401 || error.status === 403)) {
        tell("lost");
        return;
      }
    }
    if (signal.aborted) return;
    tell("lost");
    await new Promise((resolve) => {
      setTimeout(resolve, wait + Math.random() * 250);
      signal.addEventListener("abort", () => resolve(null), { once: true });
    });
    wait = Math.min(wait * 2, 15_000);
  }
}
