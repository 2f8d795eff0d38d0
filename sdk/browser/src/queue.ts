/**
 * The way to the server: events wait, go out in batches, and stay (also over a
 * reload, a crash or a lost network) until the server has acknowledged them.
 *
 * An event keeps its id, so the server knows one that is sent again. Each lies
 * under a name of its own in local storage: two tabs never overwrite each other.
 */
import { attempt, config, ends, read, write } from "./store.js";
import type { Draft } from "./types.js";
import { identityCookie } from "./visitor.js";

/** Milliseconds events gather before they go out. */
const GATHER_MS = 1_000;
/** Milliseconds between the first two attempts, and at most. */
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 6e4;
/** Events that wait at most; beyond, the oldest gives way. */
const WAITING_MAX = 500;
/** Characters of a batch: at most three bytes each, below the 64 KiB a page may leave behind (Fetch, keepalive). */
const BATCH_LENGTH_MAX = 2e4;
/** The server knows an event again for seven days; an older one could count twice. */
const AGE_MS_MAX = 6e8;
const NAME = "event.";

const waiting = new Map<string, string>();
const underway = new Set<string>();
let failures = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

function forget(id: string): void {
  waiting.delete(id);
  write(NAME + id);
}

async function send(ids: string[], events: string): Promise<void> {
  let status = 0;
  let pause = 0;
  try {
    const answer = await fetch(config.endpoint, {
      method: "POST",
      body: `{"sent_at":"${new Date().toISOString()}","batch":[${events}]}`,
      headers: {
        "Content-Type": "application/json",
        "X-Api-Key": config.key,
        "X-Signalpost-Cookie": identityCookie,
      },
      // A request under way when the page goes is finished without it.
      keepalive: events.length <= BATCH_LENGTH_MAX,
    });
    ({ status } = answer);
    pause = +answer.headers.get("Retry-After")! * 1_000 || 0;
    const text = await answer.text();
    // Whoever builds the page learns here what was refused, and why.
    if (!text.includes('"errors":[]')) console.warn("signalpost", text);
  } catch {
    // No network, or the page is going. An answer cut short after its status still counts.
  }
  ids.forEach((id) => underway.delete(id));
  // Taken, or refused for what it is; all else is worth another try.
  if ([200, 202, 400, 413].includes(status)) {
    failures = pause = 0;
    ids.forEach(forget);
  } else {
    // Spread, so that a server that comes back is not met by all pages at once.
    pause = Math.max(pause, Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** failures++) * (1 - Math.random() / 2));
  }
  // In place of any earlier timer: what came in meanwhile must not cut a pause short.
  clearTimeout(timer);
  timer = setTimeout(flush, pause);
}

/**
 * Sends a batch of what waits, now; `leaving` when the page may not live to see
 * the answer, so that this may be the last.
 */
export function flush(leaving?: boolean): void {
  clearTimeout(timer);
  timer = undefined;
  // One request at a time; only a page that goes cannot wait.
  if (underway.size && !leaving) return;
  const ids: string[] = [];
  let events = "";
  for (const [id, text] of waiting) {
    if (underway.has(id)) continue;
    if (events && events.length + text.length > BATCH_LENGTH_MAX) break;
    events += (events && ",") + text;
    ids.push(id);
  }
  if (!events) return;
  ids.forEach((id) => underway.add(id));
  void send(ids, events);
}

const schedule = () => (timer ??= setTimeout(flush, GATHER_MS));

/** Takes an event in. Stores it, so consent must be there. */
export function add(event: Draft): void {
  const { event_id } = event;
  const text = JSON.stringify(event);
  waiting.set(event_id, text);
  write(NAME + event_id, text);
  if (waiting.size > WAITING_MAX) forget(waiting.keys().next().value!);
  schedule();
}

/** Takes up what earlier pages left behind. */
export function resume(): void {
  for (const id of ends(NAME)) {
    const text = read(NAME + id)!;
    const age = attempt(() => Date.now() - Date.parse((JSON.parse(text) as Draft).timestamp));
    waiting.set(id, text);
    // Also what was damaged, and has no age.
    if (!(age! < AGE_MS_MAX)) forget(id);
  }
  schedule();
}

/** Throws away all that waits. */
export function clear(): void {
  waiting.clear();
  ends(NAME).forEach(forget);
}
