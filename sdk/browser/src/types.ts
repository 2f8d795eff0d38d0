/** What a page says to the SDK, and what the SDK sends. */

/** Facts of any JSON kind. What has no value (`undefined`) is left out. */
export type Facts = Record<string, unknown>;

/**
 * Whether anything may be stored and sent.
 *
 * - `granted`: yes.
 * - `pending`: not yet. Events wait in memory; no cookie, no storage, no request.
 * - `denied`: no. What waited and what was stored is thrown away.
 */
export type Consent = "granted" | "pending" | "denied";

/** What a browser's privacy signal does: note it on each event, count as `denied`, or nothing. */
export type SignalRule = "flag" | "drop" | "ignore";

/** The types of the events that are recorded without a call. */
export type Automatic = "page_view" | "click" | "scroll" | "form_submit";

/** Settings of {@link init}; as a tag's attributes `data-key`, `data-cookie-domain`, … */
export interface Config {
  /** A write key. It is public; it must allow `events:write` only. */
  key: string;
  /** Where events go. Default: `/api/events` on the script's origin, else on the page's. */
  endpoint?: string;
  /** Consent until the visitor decides. Default `granted`. */
  consent?: Consent;
  /**
   * Whether what the visitor decided on an earlier page counts: a grant where
   * pages begin `pending`, a refusal where they begin `granted`. Default: yes.
   * Turn it off (an empty attribute) where each page is told anew.
   */
  remember?: boolean | string;
  /** What Global Privacy Control does. Default `flag`: `context.gpc` is true. */
  gpc?: SignalRule;
  /** What Do Not Track does. Default `flag`: `context.dnt` is true. */
  dnt?: SignalRule;
  /** The events recorded without a call; as text, with spaces between. Default: all. */
  auto?: readonly Automatic[] | string;
  /** Whether another `#fragment` is another page. Default: no. An attribute's value must not be empty. */
  hash?: boolean | string;
  /** Share the cookies over the subdomains of this one, such as `shop.example`. Default: this host only. */
  cookieDomain?: string;
  /** Days the browser's id is kept after the last event. Default 400, the most browsers keep. */
  cookieDays?: number | string;
  /** Begins the names of cookies and of what is stored. Default `sp_`. */
  cookiePrefix?: string;
  /** Sees each event before it is kept: change it and give it back, or `null` to leave it out. */
  before?: (event: Draft) => Draft | null;
}

/** A product, as in the catalog. Further fields become properties. */
export interface Product extends Facts {
  product_id: string | number;
  name?: string;
  category?: string;
  brand?: string;
  /** Of one piece, in `currency`. */
  price?: number | string;
  /** ISO 4217. */
  currency?: string;
  /** Pieces. Default 1. */
  quantity?: number;
}

/** A checkout or purchase. Further fields become properties. */
export interface Order extends Facts {
  order_id?: string | number;
  /** What the order costs, in `currency`. */
  total?: number | string;
  /** ISO 4217. */
  currency?: string;
  items?: readonly Product[];
}

/** An order that was paid. Its id makes a reloaded confirmation page count once. */
export interface Purchase extends Order {
  order_id: string | number;
}

/** An event before the visitor's identity is put on it. */
export interface Draft {
  event_id: string;
  event_type: string;
  customer_id?: string | undefined;
  anonymous_id?: string;
  /** RFC 3339. */
  timestamp: string;
  product_id?: string | undefined;
  properties: Facts;
  traits?: Facts | undefined;
  context: Facts;
}

/** What a page may call. */
export interface Signalpost {
  /**
   * Says who the visitor is, as your systems name them; without an id only
   * notes traits. Remembered until {@link Signalpost.reset}.
   */
  identify(customerId: string | number | null | undefined, traits?: Facts): void;
  /** Records that something was done: `track("signup", { plan: "pro" })`. */
  track(eventType: string, properties?: Facts): void;
  /** Records a page view; only needed where `auto` leaves out `page_view`. */
  page(properties?: Facts): void;
  /** Forgets who the visitor is: call it when they sign out. */
  reset(): void;
  /** Says what the visitor decided; purposes are recorded as a `consent` event. */
  consent(state: Consent, purposes?: Record<string, boolean>): void;
  /** A product was looked at. */
  productView(product: Product): void;
  /** A product was put into the cart. */
  addToCart(product: Product): void;
  /** A product was taken out of the cart. */
  removeFromCart(product: Product): void;
  /** The checkout was begun. */
  checkoutStarted(order: Order): void;
  /** An order was paid: one event an item, or one for an order without items. */
  purchase(order: Purchase): void;
}

/** `window.signalpost`: `signalpost("track", "signup")`. `init` takes a {@link Config}. */
export interface Command {
  <Method extends keyof Signalpost>(method: Method, ...values: Parameters<Signalpost[Method]>): void;
  (method: "init", config: Config): void;
}
