/**
 * From a call to an event: consent decides whether it waits, goes on or is
 * dropped.
 */
import { add, clear, resume } from "./queue.js";
import { config, read, write } from "./store.js";
import type { Automatic, Consent, Draft, Facts, SignalRule } from "./types.js";
import { randomId, renew, stamp } from "./visitor.js";

/** Replaced by the build with the package's version. */
declare const VERSION: string;
/** Events that wait for consent at most; later ones are dropped. */
const UNDECIDED_MAX = 100;

interface PrivacySignals {
  globalPrivacyControl?: boolean;
}

/** Until a decision is taken up, everything waits. */
let state: Consent = "pending";
/** What the page begins with, and what the visitor, or else the page, wants. */
let usual: Consent;
let wanted: Consent;
/** What a privacy signal asks for, when the browser sends it. */
let gpc: SignalRule | undefined;
let dnt: SignalRule | undefined;
let undecided: Draft[] = [];
let customer: string | undefined;

/** The address of the page whose view was recorded last, and of the one before. */
export let current = "";
let before: string;

/** Starts with what an earlier page was told, where that counts; else with the default. */
export function begin(): void {
  const { globalPrivacyControl, doNotTrack } = navigator as Navigator & PrivacySignals;
  gpc = globalPrivacyControl ? (config.gpc ?? "flag") : undefined;
  dnt = doNotTrack === "1" ? (config.dnt ?? "flag") : undefined;
  before = document.referrer;
  usual = config.consent ?? "granted";
  wanted = ((config.remember ?? usual !== "denied") && (read("consent") as Consent)) || usual;
  decide();
}

/** Takes up the visitor's decision, unless nobody sees the page yet. */
export function decide(): void {
  const unseen = (document as { prerendering?: boolean }).prerendering && wanted === "granted";
  state = gpc === "drop" || dnt === "drop" ? "denied" : unseen ? "pending" : wanted;
  if (state === "granted") {
    know(customer ?? read("customer"));
    resume();
    undecided.splice(0).forEach(admit);
  } else if (state === "denied") {
    undecided = [];
    clear();
    forgetVisitor();
  }
}

export function consent(decision: Consent, purposes?: Facts): void {
  wanted = decision;
  decide();
  // What a next page could not know is remembered: a grant where pages begin
  // undecided, a refusal where they begin granted. Else nothing is stored.
  const told = usual === "pending" ? "granted" : "denied";
  write("consent", decision === told && state === told ? told : "");
  if (purposes) track("consent", purposes);
}

/** Notes who the visitor is, or that nobody knows. */
export function know(id?: string): void {
  customer = id;
  write("customer", state === "granted" ? id : "");
}

export function forgetVisitor(): void {
  know();
  renew();
}

function admit({ context, ...draft }: Draft): void {
  const [anonymous_id, visit] = stamp();
  add({ ...draft, anonymous_id, context: { ...context, ...visit } });
}

// No address has a space, which would be sent as %20.
const address = () => location.href.split(config.hash ? " " : "#")[0]!;
const page = () => ({ url: address(), title: document.title, referrer: before });

/** The instant of the latest event, milliseconds of the epoch. */
let last = 0;

/**
 * The instant of an event. Those of one millisecond are told apart, or their
 * order would be lost; unless the visitor's clock was set back.
 */
function now(): number {
  const ahead = last - Date.now();
  return (last -= ahead < 0 || ahead > 1_000 ? ahead : -1);
}

export function track(event_type: string, properties: Facts = {}, extra?: Partial<Draft>): void {
  if (state === "denied") return;
  view();
  const { product_id, ...rest } = properties as Facts & { product_id?: string };
  let draft: Draft | null = {
    event_id: randomId(),
    event_type,
    customer_id: customer,
    timestamp: new Date(now()).toISOString(),
    product_id,
    properties: rest,
    context: {
      page: page(),
      locale: navigator.language,
      library: `signalpost-browser/${VERSION}`,
      gpc: gpc === "flag",
      dnt: dnt === "flag",
    },
    ...extra,
  };
  if (config.before) draft = config.before(draft);
  if (!draft) return;
  if (state === "granted") admit(draft);
  else if (undecided.length < UNDECIDED_MAX) undecided.push(draft);
}

export function pageView(properties?: Facts): void {
  track("page_view", { path: location.pathname, ...page(), ...properties });
}

/** Whether events of this type are recorded without a call. */
export const automatic = (eventType: Automatic) =>
  (config.auto ?? "page_view click scroll form_submit").includes(eventType);

/** Records the page view that is due, if any. */
export function view(): void {
  if (!automatic("page_view") || current === address()) return;
  before = current || before;
  current = address();
  pageView();
}

/** The page is seen once more. */
export function viewAgain(): void {
  current = "";
  view();
}
