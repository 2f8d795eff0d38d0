/**
 * The real Signalpost server for the browser tests, and what it says it holds.
 *
 * `SIGNALPOST_BIN` names the binary; else `target/release/signalpost` is looked
 * for here and in every folder above. Where there is none, tests say so and
 * are skipped.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const ADMIN_KEY = "test-admin-key";
export const WRITE_KEY = "test-write-key";

/** An event as the server tells it. */
export interface Told {
  event_id: string;
  event_type: string;
  customer_id: string | null;
  anonymous_id: string | null;
  timestamp: string;
  product_id: string | null;
  properties: Record<string, unknown>;
  traits: Record<string, unknown>;
  context: {
    page?: { url: string; title: string; referrer: string };
    session_id?: string;
    campaign?: Record<string, string>;
    referrer?: string;
    library?: string;
    locale?: string;
    gpc?: boolean;
    dnt?: boolean;
  };
}

export function binary(): string | undefined {
  const named = process.env.SIGNALPOST_BIN;
  if (named) return resolve(named);
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const path = join(folder, "target/release/signalpost");
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) return undefined;
  }
}

export interface Server {
  url: string;
  stop: () => Promise<void>;
  /** An admin request's answer, JSON. */
  ask: (path: string, body?: unknown) => Promise<unknown>;
  /** The events of a browser, oldest first, once `until` holds of them. */
  events: (anonymousId: string, until: (events: Told[]) => boolean) => Promise<Told[]>;
}

export async function startServer(path: string): Promise<Server> {
  const data = mkdtempSync(join(tmpdir(), "signalpost-sdk-"));
  const child = spawn(path, ["serve", "--data", data, "--listen", "127.0.0.1:0"], {
    env: { ...process.env, SIGNALPOST_ADMIN_KEY: ADMIN_KEY, SIGNALPOST_WRITE_KEY: WRITE_KEY },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const url = await new Promise<string>((found, failed) => {
    const listen = (bytes: Buffer) => {
      said += bytes.toString();
      const address = /listens on (http:\/\/[^\s,]+)/.exec(said)?.[1];
      if (address) found(address);
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.on("exit", (code) => failed(new Error(`${path} ended with ${code ?? "a signal"}:\n${said}`)));
  });

  const ask: Server["ask"] = async (address, body) => {
    const answer = await fetch(url + address, {
      method: body === undefined ? "GET" : "POST",
      headers: { "X-Api-Key": ADMIN_KEY, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${address}: ${answer.status} ${text}`);
    return JSON.parse(text) as unknown;
  };

  return {
    url,
    ask,
    async stop() {
      const gone = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      await gone;
      rmSync(data, { recursive: true, force: true });
    },
    async events(anonymousId, until) {
      const sql = `SELECT event_id, event_type, customer_id, anonymous_id, timestamp, product_id, properties, traits, context
        FROM events WHERE anonymous_id = '${anonymousId}' ORDER BY timestamp, event_id`;
      const deadline = Date.now() + 20_000;
      for (;;) {
        const { rows } = (await ask("/api/sql", { sql })) as { rows: Record<string, string>[] };
        const events = rows.map((row) => ({
          ...row,
          properties: JSON.parse(row.properties!) as unknown,
          traits: JSON.parse(row.traits!) as unknown,
          context: JSON.parse(row.context!) as unknown,
        })) as unknown as Told[];
        if (until(events)) return events;
        if (Date.now() > deadline) {
          assert.fail(`after 20 s the server has: ${JSON.stringify(events.map((one) => [one.event_type, one.properties]))}`);
        }
        await sleep(100);
      }
    },
  };
}
