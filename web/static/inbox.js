// Inbox: the mails that were sent, as their receivers see them.

import * as api from "./api.js";
import { download, empty, fill, h, heading, notice, tabs, time } from "./dom.js";
import { instant } from "./format.js";
import { failureText, go, load } from "./parts.js";

/** @param {View} view */
export function inbox(view) {
  const list = h("div", { class: "mail-list" });
  const pane = h("section", { class: "mail-pane", "aria-label": "Mail" });
  const grid = h("div", { class: "mail-grid" }, list, pane);
  fill(view.root, heading("Inbox", "The mails that went out to Signalpost's own inbox, as their receivers see them."), grid);
  const [chosen] = view.path;
  grid.classList.toggle("reading", chosen !== undefined);
  if (chosen !== undefined) showMail(pane, view.signal, chosen);
  else fill(pane, empty("Choose a mail", "It shows here as on a screen and on a phone."));
  showList(list, view.signal, chosen);
}

/**
 * @param {HTMLElement} list
 * @param {AbortSignal} signal
 * @param {string | undefined} chosen
 */
function showList(list, signal, chosen) {
  load(list, signal, () => api.inbox(null, signal), ({ messages }) => {
    if (messages.length === 0) {
      fill(list, empty("No mail yet", "Mails of campaigns with the destination “mail” arrive here."));
      return;
    }
    const rows = h("ol", { class: "mails" }, messages.map((one) => mailRow(one, chosen)));
    const more = h("p", { class: "more" });
    fill(list, rows, more);
    /** @param {MailHead[]} page */
    const offer = (page) => {
      const last = page.at(-1);
      fill(more, last && page.length >= 100 ? h("button", {
        type: "button", onclick: async () => {
          try {
            const next = await api.inbox(last.place ?? last.id, signal);
            rows.append(...next.messages.map((one) => mailRow(one, chosen)));
            offer(next.messages);
          } catch (error) {
            if (!signal.aborted) notice(failureText(error), "bad");
          }
        },
      }, "Show older") : null);
    };
    offer(messages);
    rows.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  });
}

/**
 * @param {MailHead} one
 * @param {string | undefined} chosen
 */
function mailRow(one, chosen) {
  return h("li", null, h("a", { href: `#/inbox/${encodeURIComponent(one.id)}`, "aria-current": one.id === chosen ? "true" : null },
    h("span", { class: "mail-to" }, one.to), time(one.sent_at, (text) => instant(text).replace(/ \d{4},/, ",").slice(0, -3)),
    h("span", { class: "mail-subject" }, one.subject), one.campaign ? h("span", { class: "mail-campaign" }, one.campaign) : null));
}

/**
 * @param {HTMLElement} pane
 * @param {AbortSignal} signal
 * @param {string} id
 */
function showMail(pane, signal, id) {
  load(pane, signal, () => api.mail(id, signal), (mail) => {
    const save = h("button", {
      type: "button", onclick: async () => {
        try {
          download(await api.mailFile(id), `${id.replace(/[^\w.-]+/g, "-")}.eml`);
        } catch (error) {
          notice(failureText(error), "bad");
        }
      },
    }, "Download .eml");
    const closed = h("button", { type: "button", class: "quiet only-narrow", onclick: () => go("#/inbox") }, "← All mails");
    fill(pane,
      closed,
      h("header", { class: "mail-head" },
        h("div", null, h("h2", null, mail.subject || "(no subject)"),
          h("p", { class: "faint" }, "To ", h("strong", null, mail.to), " · ", time(mail.sent_at), mail.campaign ? ` · ${mail.campaign}` : "")),
        save),
      tabs("Forms of the mail", [
        ...(mail.html ? [{ name: "Mail", show: (/** @type {HTMLElement} */ panel) => showHtml(panel, mail) }] : []),
        { name: "Plain text", show: (panel) => fill(panel, mail.text ? h("pre", { class: "code wrap", tabindex: "0" }, mail.text) : empty("This mail has no plain text")) },
        { name: "Headers", show: (panel) => fill(panel, h("dl", { class: "mail-headers" }, (mail.headers ?? []).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))))) },
      ]));
  });
}

/** Kept from mail to mail. */
let phone = false;

/**
 * @param {HTMLElement} panel
 * @param {Mail} mail
 */
function showHtml(panel, mail) {
  // An empty sandbox: no script, no form, no link out of the frame, an origin of its own.
  const frame = h("iframe", { sandbox: "", title: `Mail: ${mail.subject}`, srcdoc: mail.html ?? "", referrerpolicy: "no-referrer" });
  const holder = h("div", { class: "mail-frame" }, frame);
  const choose = (/** @type {boolean} */ narrow) => {
    phone = narrow;
    holder.classList.toggle("phone", narrow);
    for (const button of [wide, small]) button.setAttribute("aria-pressed", String((button === small) === narrow));
  };
  const wide = h("button", { type: "button", class: "pill", onclick: () => choose(false) }, "Desktop");
  const small = h("button", { type: "button", class: "pill", onclick: () => choose(true) }, "Phone");
  fill(panel, h("div", { class: "pills", role: "group", "aria-label": "Width" }, wide, small), holder);
  choose(phone);
}
