/**
 * The SDK as a script: settings are the attributes of its own tag, or come with
 * `signalpost("init", { key: "…" })`, called before it loads; calls made until
 * then wait in the stub's queue.
 */
import { start } from "./client.js";
import type { Command, Config } from "./types.js";

/** A call, as the stub keeps it: its `arguments`. */
type Call = ArrayLike<unknown> & Iterable<unknown>;

interface Queued {
  /** Where the stub puts calls: an array, until the SDK takes over. */
  q?: Call[] | { push: (call: Call) => void };
}

declare global {
  interface Window {
    signalpost?: Command & Queued;
  }
}

const script = document.currentScript as HTMLScriptElement | null;
const early = window.signalpost?.q ?? [];

// The script may be on a page twice; the first one goes on.
if ("find" in early) {
  const config = script?.dataset["key"] ? script.dataset : early.find((call) => call[0] === "init")?.[1];
  if (config) {
    const client = start({
      // Beside the script, wherever that comes from.
      endpoint: new URL("/api/events", script?.src ?? location.href).href,
      ...(config as Config),
    }) as unknown as Record<string, ((...values: unknown[]) => void) | undefined>;
    const push = ([method, ...values]: Call) => client[method as string]?.(...values);
    const command = (...call: unknown[]) => push(call);
    // A stub that somebody kept pushes here.
    window.signalpost = Object.assign(command, { q: { push } });
    early.forEach(push);
  }
}
