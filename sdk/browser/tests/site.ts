/**
 * A small site with the SDK on its pages, and a reverse proxy before the
 * server's API, so that both have one origin. The proxy writes down each
 * request, and can be made to fail as networks and servers do.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WRITE_KEY } from "./server.js";

const dist = new URL("../../../browser/dist/", import.meta.url);
const file = (name: string) => readFileSync(new URL(name, dist));

/** The snippet of the documentation, for this site. */
export const SNIPPET = readFileSync(new URL("snippet.html", dist), "utf8")
  .replace("https://HOST", "")
  .replace("WRITE_KEY", WRITE_KEY);
/** The snippet with further attributes on its tag. */
export const snippet = (attributes: string) => SNIPPET.replace("data-key", `${attributes} data-key`);

export interface Seen {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** The server's answer, once there. */
  status?: number;
  answer?: string;
}

/**
 * What becomes of a request for the API: passed on, cut off before the server
 * has it, cut off after, or answered with a status.
 */
export type Fate = "pass" | "unsent" | "unanswered" | { status: number; headers?: Record<string, string> };

export interface Page {
  html: string;
  headers?: Record<string, string>;
}

export interface Site {
  url: string;
  pages: Record<string, string | Page>;
  /** Requests for the API, in order. */
  seen: Seen[];
  fate: Fate;
  /** Whether answers set the identity cookie a request asks for. */
  setsCookie: boolean;
  /** Origins that may ask from elsewhere, and how long a page waits to be told so. */
  allowed: string[];
  preflightMs: number;
  stop: () => Promise<void>;
}

async function pass(api: string, seen: Seen, site: Site, response: ServerResponse): Promise<void> {
  const { fate } = site;
  const headers: Record<string, string> = {};
  const { origin } = seen.headers;
  if (origin && site.allowed.includes(origin)) {
    headers["Access-Control-Allow-Origin"] = origin;
    headers["Access-Control-Expose-Headers"] = "Retry-After";
    headers.Vary = "Origin";
    if (seen.method === "OPTIONS") {
      headers["Access-Control-Allow-Methods"] = "POST";
      headers["Access-Control-Allow-Headers"] = "content-type, x-api-key, x-signalpost-cookie";
      headers["Access-Control-Max-Age"] = "7200";
      await sleep(site.preflightMs);
      response.writeHead(204, headers).end();
      return;
    }
  }
  if (fate === "unsent") {
    response.destroy();
    return;
  }
  if (typeof fate === "object") {
    response.writeHead(fate.status, { "Content-Type": "application/json", ...headers, ...fate.headers }).end("{}");
    return;
  }
  const answer = await fetch(api + seen.path, {
    method: seen.method,
    headers: {
      "Content-Type": String(seen.headers["content-type"]),
      "X-Api-Key": String(seen.headers["x-api-key"]),
      "User-Agent": String(seen.headers["user-agent"]),
    },
    body: seen.body,
  });
  seen.answer = await answer.text();
  seen.status = answer.status;
  if (fate === "unanswered") {
    response.destroy();
    return;
  }
  const cookie = seen.headers["x-signalpost-cookie"];
  if (site.setsCookie && cookie) headers["Set-Cookie"] = String(cookie);
  response.writeHead(answer.status, { "Content-Type": "application/json", ...headers }).end(seen.answer);
}

export async function startSite(api: string, pages: Site["pages"]): Promise<Site> {
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    if (path.startsWith("/api/")) {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const seen: Seen = {
          method: request.method ?? "",
          path,
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
        };
        if (request.method !== "OPTIONS") site.seen.push(seen);
        pass(api, seen, site, response).catch((error: unknown) => {
          console.error(error);
          response.destroy();
        });
      });
      return;
    }
    const script = /^\/js\/([\w.]+)$/.exec(path)?.[1];
    if (script) {
      response.writeHead(200, { "Content-Type": "text/javascript", "Access-Control-Allow-Origin": "*" }).end(file(script));
      return;
    }
    const page = site.pages[path.split("?")[0] ?? ""];
    if (page === undefined) {
      response.writeHead(404).end();
      return;
    }
    const { html, headers } = typeof page === "string" ? { html: page, headers: {} } : page;
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", ...headers }).end(`<!doctype html><meta charset=utf-8>${html}`);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const site: Site = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pages,
    seen: [],
    fate: "pass",
    setsCookie: false,
    allowed: [],
    preflightMs: 0,
    stop: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
  return site;
}
