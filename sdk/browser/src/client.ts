/** The SDK put together: what a page may call. */
import { capture, snake } from "./capture.js";
import { configure } from "./store.js";
import { begin, consent, forgetVisitor, know, pageView, track } from "./track.js";
import type { Config, Facts, Signalpost } from "./types.js";
import { arrive, randomId } from "./visitor.js";

/** Starts the SDK, once a page; `config` has an endpoint. */
export function start(config: Config & { endpoint: string }): Signalpost {
  const client = {
    identify(customerId, traits) {
      if (customerId) know(`${customerId}`);
      track("identify", {}, { traits });
    },
    track,
    page: pageView,
    reset: forgetVisitor,
    consent,
    purchase({ items = [], total, ...order }) {
      const { order_id } = order;
      // The server adds up what each line costs; as `total`, the order's would count once a line.
      const lines: Facts[] = items.length ? items.map((item) => ({ order_total: total, ...item })) : [{ total }];
      lines.forEach((line, index) => {
        track("purchase", { ...order, ...line }, {
          // The same order again, as on a reloaded page, is the same events again.
          event_id: order_id ? `purchase:${location.hostname}:${order_id}:${index}` : randomId(),
        });
      });
    },
  } as Signalpost;
  for (const method of ["productView", "addToCart", "removeFromCart", "checkoutStarted"] as const) {
    client[method] = (facts: Facts) => {
      track(snake(method), facts);
    };
  }
  configure(config);
  arrive();
  begin();
  capture();
  return client;
}
