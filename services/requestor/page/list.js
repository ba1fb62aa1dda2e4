// The list of the user's reports, newest first, with states that change while one looks.

import { byId, el, icon } from "./dom.js";
import { day, moment } from "./format.js";

const WORDS = { queued: "Queued", delayed: "Will retry", running: "Running", done: "Done", failed: "Failed", cancelled: "Cancelled" };
const ICONS = { queued: "waiting", delayed: "waiting", running: "running", done: "done", failed: "failed", cancelled: "cancelled" };

/** A state as a word with a picture: never by colour alone. */
export function badge(state) {
  return el("span", { class: "badge", "data-state": state }, icon(ICONS[state] ?? "waiting"), WORDS[state] ?? state);
}

/** The word for a state. */
export const word = (state) => WORDS[state] ?? state;

/** What tells reports of one type from each other: their parameters in a few words. */
export function gist(report, catalog) {
  const known = catalog.find((one) => one.type === report.type)?.parameters ?? [];
  const told = known.filter(({ name }) => report.parameters?.[name] !== undefined && report.parameters[name] !== null);
  return told.map((parameter) => shown(parameter, report.parameters[parameter.name])).join(" · ");
}

/** A parameter's value as the form offered it. */
export function shown(parameter, value) {
  const label = parameter.choices?.find((one) => one.value === value)?.label ?? day(String(value));
  return parameter.unit ? `${label} ${parameter.unit}` : label;
}

/** Shows the list and keeps it so. `catalog` is what may be asked for. */
export class List {
  #rows = new Map();
  #current = null;

  constructor(store, catalog) {
    this.store = store;
    this.catalog = catalog;
    this.place = byId("list");
    store.addEventListener("change", ({ detail }) => this.#show(detail.report));
    this.note();
  }

  /** Marks the report that is looked at; null when none is. */
  mark(id) {
    this.#current = id;
    for (const [one, row] of this.#rows) mark(row.link, one === id);
  }

  /** Says what there is to say instead of a list, if anything: `text`, with a way to try `again`, or that it is empty. */
  note(text = "", again = null) {
    const place = byId("list-note");
    place.replaceChildren(text || "Nothing yet. Reports that you run stand here, and are found again after a reload.",
      ...(again ? [" ", el("button", { type: "button", class: "button small", onclick: again }, "Try again")] : []));
    place.hidden = text === "" && this.#rows.size > 0;
  }

  #show(report) {
    const row = this.#rows.get(report.id) ?? this.#add(report);
    row.title.textContent = report.title ?? report.type;
    row.about.replaceChildren(moment(report.created_at), this.#gist(report));
    if (row.state !== report.state) row.badge.replaceChildren(badge(report.state));
    row.state = report.state;
  }

  #gist(report) {
    const text = gist(report, this.catalog);
    return text ? ` · ${text}` : "";
  }

  #add(report) {
    const row = { title: el("span", { class: "row-title" }), about: el("span", { class: "row-about" }), badge: el("span", { class: "row-state" }) };
    row.link = el("a", { class: "row", href: `#/reports/${encodeURIComponent(report.id)}` }, row.title, row.badge, row.about);
    mark(row.link, report.id === this.#current);
    row.item = el("li", {}, row.link);
    this.#rows.set(report.id, row);
    const newer = this.store.list();
    const next = newer.slice(newer.findIndex((one) => one.id === report.id) + 1).find((one) => this.#rows.has(one.id));
    this.place.insertBefore(row.item, next ? this.#rows.get(next.id).item : null);
    this.note();
    return row;
  }
}

function mark(link, current) {
  if (current) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}
