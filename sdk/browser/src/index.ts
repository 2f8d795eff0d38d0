/** The SDK as a module: `init({ key: "…" })` gives the calls of {@link Signalpost}. */
import { start } from "./client.js";
import type { Config, Signalpost } from "./types.js";

export type * from "./types.js";

let client: Signalpost | undefined;

/** Starts the SDK. A page has one: later calls change nothing and give the same. */
export function init(config: Config): Signalpost {
  return (client ??= start({ endpoint: "/api/events", ...config }));
}
