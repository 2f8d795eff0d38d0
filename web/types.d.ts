// The shapes of the server's answers, as far as the page reads them.
// Times are RFC 3339 text in UTC; anything may be absent on an older server.

interface Problem {
  title?: string;
  detail?: string;
  code?: string;
  field?: string;
  /** From 1. */
  line?: number;
  /** In characters, from 1. */
  column?: number;
  hint?: string | null;
  snippet?: string;
}

interface Timing {
  count: number;
  /** Milliseconds. */
  p50: number;
  /** Milliseconds. */
  p99: number;
}

interface Stats {
  events: {
    received: number;
    accepted: number;
    duplicates: number;
    quarantined: number;
    bots: number;
    processed?: number;
    derived?: number;
    by_type?: Record<string, number>;
    by_reason?: Record<string, number>;
  };
  memberships: { entries: number; exits: number };
  deliveries: Record<string, number>;
  latency_ms?: { event_to_change?: Timing; event_to_delivery?: Timing };
  profiles?: { known: number; anonymous: number };
  /** Records accepted and not yet processed. */
  lag?: number;
  quarantine?: number;
  /** The server's own time, which a demo plays faster than the wall clock. */
  clock?: string;
  settled?: boolean;
}

interface ShopEvent {
  event_id: string;
  event_type: string;
  customer_id?: string | null;
  anonymous_id?: string | null;
  timestamp: string;
  received_at?: string;
  product_id?: string | null;
  properties?: Record<string, unknown>;
  source?: string;
}

interface Membership {
  segment: string;
  version?: number;
  profile?: string;
  customer_id?: string | null;
  change: "entered" | "exited";
  at: string;
  cause?: unknown;
}

interface LiveDelivery {
  id: string;
  campaign?: string;
  profile?: string;
  customer_id?: string | null;
  status: string;
  subject?: string | null;
  to?: string | null;
  destination?: string | null;
  decided_at?: string;
  attempts?: { at: string; outcome: unknown }[];
}

/** A live message; `at` is the server's time as last known when it came. */
type Live =
  | { kind: "event"; data: ShopEvent; at: string }
  | { kind: "membership"; data: Membership; at: string }
  | { kind: "delivery"; data: LiveDelivery; at: string };

interface Segment {
  name: string;
  version: number;
  rule?: string | null;
  sql?: string | null;
  form?: string | null;
  members: number;
  anonymous_members?: number;
  since?: string;
  live?: boolean;
}

interface Sequence {
  name: string;
  version: number;
  rule: string;
}

interface Member {
  customer_id?: string | null;
  profile?: string;
  entered_at?: string | null;
  version?: number | null;
}

interface SegmentVersion {
  version: number;
  at: string;
  rule: string;
}

interface Checked {
  kind?: string;
  name?: string | null;
  text?: string;
  sql?: string;
  emits?: string;
}

interface Preview {
  count: number;
  sample: string[];
  added?: number;
  removed?: number;
  at?: string;
}

interface FoundProfile {
  id: string;
  customer_id?: string | null;
  email?: string | null;
  last_seen?: string | null;
}

interface Profile {
  id: string;
  customer_id?: string | null;
  anonymous_ids?: string[];
  traits?: Record<string, unknown>;
  computed?: Record<string, unknown>;
  consents?: Record<string, unknown>;
  cart?: { product_id: string; quantity: number }[];
  segments?: { name: string; entered_at?: string | null; version?: number }[];
  /** Newest first; the newest only, of `timeline_total`. */
  timeline?: ShopEvent[];
  timeline_total?: number;
}

interface Reason {
  text: string;
  /** Whether a condition holds; of anything else its value. */
  value: unknown;
  horizon?: string | null;
  events?: { event_id?: string | null; event_type?: string; timestamp: string }[];
  parts?: Reason[];
}

interface Explanation {
  segment: string;
  member?: boolean;
  value: boolean | null;
  horizon?: string | null;
  tree: Reason;
}

interface MailHead {
  id: string;
  to: string;
  subject: string;
  campaign?: string | null;
  sent_at: string;
  /** Where the list goes on after this mail. */
  place?: string;
}

interface Mail extends MailHead {
  headers: [string, string][];
  html?: string | null;
  text?: string | null;
}

interface Delivery {
  id: string;
  campaign: string;
  profile?: string;
  customer_id?: string | null;
  decision?: string;
  status: string;
  cause?: unknown;
  event_id?: string | null;
  decided_at: string;
  destination?: string | null;
  to?: string | null;
  subject?: string | null;
  attempts?: { at: string; outcome: unknown }[];
  next_attempt?: string | null;
}

interface Quarantined {
  id: number | string;
  received_at: string;
  source?: string;
  code: string;
  field?: string;
  message: string;
  raw: unknown;
}

interface SqlResult {
  columns: { name: string; type: string }[];
  rows: Record<string, unknown>[];
  /** Whether there were more rows than the server gives at once. */
  truncated?: boolean;
}

/** What a page is given, and where it draws. */
interface View {
  /** The element the page fills; empty at first. */
  root: HTMLElement;
  /** What follows the page's name in the address, decoded. */
  path: string[];
  /** What follows `?` in the address. */
  query: URLSearchParams;
  /** What must not stand in an address, such as whose profile it is. */
  state: Record<string, unknown>;
  /** Aborted when the page is left. */
  signal: AbortSignal;
}
