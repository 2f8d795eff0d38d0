/**
 * Who is there, and how they came: the browser's id, the session, and the
 * campaign and referrer the session began with.
 *
 * A session ends after 30 minutes without an event, or when a visitor comes
 * back by another campaign.
 */
import { attempt, idCookie, read, setIdCookie, write } from "./store.js";
import type { Facts } from "./types.js";

const SESSION_MS = 18e5;

/** As it stands in an event's context. */
interface Visit extends Facts {
  session_id?: string;
  /** How the session began: the campaign named as the Segment specification does (Common fields). */
  campaign?: Facts | undefined;
  referrer?: string;
}

// Also held here, for browsers that refuse cookies.
let id: string | undefined;
/** How the visitor came, until a session took it up. */
let arrival: Visit | undefined;

/** The identity cookie as it was last set: the server sets it again, since browsers cut a script's short. */
export let identityCookie = "";

/** 128 random bits; `crypto.randomUUID` is missing on pages without TLS. */
export const randomId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/** Notes how the visitor came, while the first page's address still tells. */
export function arrive(): void {
  let campaign: Facts | undefined;
  new URLSearchParams(location.search).forEach((value, name) => {
    if (name.startsWith("utm_")) (campaign ??= {})[name === "utm_campaign" ? "name" : name.slice(4)] = value;
  });
  const { referrer } = document;
  // Without its query: it is another site's, and may say more than the visitor would.
  arrival = { campaign, referrer: referrer.startsWith(location.origin) ? "" : referrer.split("?")[0]! };
}

/** What is put on each event. Stores what it says, so consent must be there. */
export function stamp(): [anonymousId: string, visit: Visit] {
  const now = Date.now();
  identityCookie = setIdCookie((id = idCookie() ?? id ?? randomId()));
  let visit = attempt(() => JSON.parse(read("session")!) as Visit) ?? {};
  const again = arrival?.campaign && JSON.stringify(arrival.campaign) !== JSON.stringify(visit.campaign);
  if (again || !(now - +read("seen")! < SESSION_MS)) visit = { session_id: randomId(), ...arrival };
  arrival = undefined;
  write("seen", `${now}`);
  write("session", JSON.stringify(visit));
  return [id, visit];
}

/** Another visitor from now on. */
export function renew(): void {
  id = undefined;
  identityCookie = "";
  setIdCookie();
  write("session");
  write("seen");
}
