/**
 * What is recorded without a call: page views, clicks, scroll depth, forms.
 *
 * Never recorded: what is typed or chosen in a field, the query of a link,
 * anything inside an element with `data-signalpost-ignore`.
 */
import { flush } from "./queue.js";
import { automatic, current, decide, track, view, viewAgain } from "./track.js";
import type { Automatic, Facts } from "./types.js";

/** Milliseconds for a router to replace its address again and for the page to set its title. */
const SETTLE_MS = 50;
const DEPTHS = [25, 50, 75, 100];
const TEXT_MAX = 80;
const CLICKABLE =
  "a,button,[role=button],[type=submit],[type=button],[data-signalpost-event]:not(form)";

/** `addToCart` as `add_to_cart`. */
export const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Records what was done with the element of `selector` around an event, also in
 * open shadow trees: under the name marketers wrote on it with the facts they
 * wrote (`data-signalpost-product-id="7"` is `product_id`), else as `usual`.
 */
function note(event: Event, selector: string, usual: Automatic, describe: (element: HTMLElement) => Facts): void {
  // A page may send an event to the document, which has no `closest`.
  const inner = event.composedPath()[0] as HTMLElement | { closest?: undefined };
  const element = inner.closest?.<HTMLElement>(selector);
  // From outside a shadow tree, the target is its host.
  if (!element || (event.target as Element).closest("[data-signalpost-ignore]")) return;
  const { signalpostEvent, ...dataset } = element.dataset;
  if (!signalpostEvent && !automatic(usual)) return;
  const facts = describe(element);
  for (const name in dataset) {
    const fact = snake(name).split("signalpost_")[1];
    if (fact) facts[fact] = dataset[name];
  }
  track(signalpostEvent ?? usual, facts);
}

function clicked(event: MouseEvent): void {
  // The right button opens a menu.
  if (event.button > 1) return;
  note(event, CLICKABLE, "click", (element) => {
    // Of a link without its query; of `mailto:`, `tel:` and the like only that.
    const { protocol, origin = "", pathname = "", host } = element as Partial<HTMLAnchorElement>;
    return {
      tag: element.localName,
      id: element.id,
      text: element.textContent.trim().slice(0, TEXT_MAX),
      href: host ? origin + pathname : protocol,
      outbound: !!host && host !== location.host,
    };
  });
}

function submitted(event: Event): void {
  note(event, "form", "form_submit", (form) => ({
    // A field called "id" hides the form's own property of that name.
    form_id: form.getAttribute("id"),
    form_name: form.getAttribute("name"),
    fields: [...new Set(Array.from(form.querySelectorAll("[name]"), (field) => field.getAttribute("name")))],
  }));
}

/** The page of `depth`, and how much of it was seen: a mark of `DEPTHS`, percent. */
let scrolled: string;
let depth = 0;

function scrolling(): void {
  if (!automatic("scroll")) return;
  view();
  if (scrolled !== current) depth = 0;
  scrolled = current;
  const seen = ((scrollY + innerHeight) / document.documentElement.scrollHeight) * 100;
  for (const mark of DEPTHS) {
    // Half a point, since heights are rounded.
    if (depth < mark && mark < seen + 0.5) track("scroll", { depth: (depth = mark) });
  }
}

export function capture(): void {
  const changed = () => setTimeout(view, SETTLE_MS);
  const leave = () => {
    view();
    flush(true);
  };
  const pushState = history.pushState.bind(history);
  history.pushState = (...values) => {
    pushState(...values);
    changed();
  };
  const listeners = {
    click: clicked,
    auxclick: clicked,
    submit: submitted,
    scroll: scrolling,
    popstate: changed,
    // Back from the browser's back-forward cache.
    pageshow: (event: PageTransitionEvent) => {
      if (event.persisted) viewAgain();
    },
    prerenderingchange: decide,
    visibilitychange: leave,
    pagehide: leave,
    online: () => flush(),
  };
  // In the capture phase: pages that stop an event are heard too.
  for (const name in listeners) addEventListener(name, listeners[name as keyof typeof listeners] as EventListener, true);
  view();
}
