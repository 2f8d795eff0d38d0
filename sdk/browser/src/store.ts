/**
 * The settings, and what stays in the browser: the identity cookie, and names
 * in local storage.
 *
 * Nothing here asks for consent: callers do. Where the browser refuses storage
 * (private windows, sandboxed frames), the page's memory takes its place.
 */
import type { Config } from "./types.js";

/** Most days a browser keeps a cookie (RFC 6265bis, 5.5). */
const DAYS_MAX = 400;

/** The settings of the page's one SDK. */
export let config: Config & { endpoint: string };
/** Begins every name. With the key: two keys on one site (staging below a path) keep apart. */
let prefix: string;
let storage: Record<string, string>;

export function configure(given: typeof config): void {
  config = given;
  prefix = `${given.cookiePrefix ?? "sp_"}${given.key}.`;
  storage = attempt(() => localStorage) ?? {};
}

/** Runs `work`; what a browser forbids has no result. */
export function attempt<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

const cookieName = () => `${config.cookiePrefix ?? "sp_"}id=`;

export const idCookie = () =>
  attempt(() => `; ${document.cookie}`.split(`; ${cookieName()}`)[1]?.split(";")[0]);

/** Sets the cookie, or removes it where there is no `id`; gives its whole text, as `Set-Cookie` would have it. */
export function setIdCookie(id = ""): string {
  const { cookieDays = DAYS_MAX, cookieDomain } = config;
  const text =
    `${cookieName()}${id}; Path=/; SameSite=Lax; Max-Age=${id ? +cookieDays * 86_400 : 0}` +
    (cookieDomain ? `; Domain=${cookieDomain}` : "") +
    (location.protocol === "https:" ? "; Secure" : "");
  attempt(() => (document.cookie = text));
  return text;
}

export const read = (name: string) => storage[prefix + name];

/** Keeps `value`, or forgets it when there is none; a full store keeps nothing new. */
export function write(name: string, value?: string): void {
  if (value) attempt(() => (storage[prefix + name] = value));
  else delete storage[prefix + name];
}

/** What follows `start` in the names of all that is kept. */
export const ends = (start: string) =>
  Object.keys(storage)
    .filter((name) => name.startsWith(prefix + start))
    .map((name) => name.slice((prefix + start).length));
