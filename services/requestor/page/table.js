// The table of a result: sorted by any column, and shown a page at a time, so that a hundred thousand rows do no harm.

import { announce, el } from "./dom.js";
import { day, decimalsOf, numbers } from "./format.js";

const PAGE = 50;
/** Longer texts than this, in characters, are broken into lines. */
const LONG_TEXT = 40;
const SORTS = { ascending: "descending", descending: "none", none: "ascending" };

/** The table with its pages. */
export function tableView(title, columns, rows) {
  return new Table(title, columns, rows).node;
}

class Table {
  #at = 0;
  #column = -1;
  #direction = "none";

  constructor(title, columns, rows) {
    this.rows = rows;
    this.order = rows;
    this.columns = columns.map((column, index) => describe(column, rows.map((row) => row[index])));
    this.headers = this.columns.map((column, index) => this.#header(column, index));
    this.body = el("tbody");
    this.where = el("span", { class: "where" });
    const last = Math.max(0, Math.ceil(rows.length / PAGE) - 1) * PAGE;
    const turn = (text, to) => el("button", { type: "button", class: "button small", onclick: () => this.#turn(to()) }, text);
    this.backward = [turn("First", () => 0), turn("Previous", () => this.#at - PAGE)];
    this.forward = [turn("Next", () => this.#at + PAGE), turn("Last", () => last)];
    const scrolls = el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": `Table: ${title}` },
      el("table", {}, el("caption", { class: "sr-only" }, title), el("thead", {}, el("tr", {}, this.headers)), this.body));
    const pages = el("div", { class: "pages" }, this.where, rows.length > PAGE && [this.backward, this.forward]);
    this.node = el("div", { class: "table" }, scrolls, pages);
    this.#show();
  }

  #header(column, index) {
    const button = el("button", { type: "button", onclick: () => this.#sort(index) }, column.label,
      column.unit && el("span", { class: "unit" }, ` (${column.unit})`), el("span", { class: "arrow", "aria-hidden": "true" }));
    return el("th", { scope: "col", class: column.numeric && "number", "aria-sort": "none" }, button);
  }

  #sort(index) {
    this.#direction = this.#column === index ? SORTS[this.#direction] : "ascending";
    this.#column = index;
    const sign = this.#direction === "ascending" ? 1 : -1;
    this.order = this.#direction === "none" ? this.rows : [...this.rows].sort((a, b) => compare(a[index], b[index], sign));
    this.headers.forEach((header, at) => header.setAttribute("aria-sort", at === index ? this.#direction : "none"));
    this.#at = 0;
    this.#show();
  }

  /** A button that cannot go further keeps the focus, so it is not disabled: it does nothing, and says so. */
  #turn(to) {
    if (to === this.#at || to < 0 || to >= this.rows.length) return;
    this.#at = to;
    this.#show();
    announce(this.where.textContent);
  }

  #show() {
    const page = this.order.slice(this.#at, this.#at + PAGE);
    this.body.replaceChildren(...page.map((row) => el("tr", {}, this.columns.map((column, index) => cellView(column, row[index], index)))));
    const count = numbers(0);
    const last = this.#at + page.length;
    this.where.textContent = this.rows.length === 0 ? "No rows" : this.rows.length <= PAGE
      ? `${count(this.rows.length)} ${this.rows.length === 1 ? "row" : "rows"}`
      : `Rows ${count(this.#at + 1)} to ${count(last)} of ${count(this.rows.length)}`;
    for (const button of this.backward) button.setAttribute("aria-disabled", String(this.#at === 0));
    for (const button of this.forward) button.setAttribute("aria-disabled", String(last >= this.rows.length));
  }
}

function describe(column, cells) {
  const values = cells.filter((cell) => cell?.kind === "number").map((cell) => cell.value);
  const numeric = values.length > 0 && cells.every((cell) => cell?.kind === "number" || cell?.kind === "empty");
  const long = cells.some((cell) => cell?.kind === "text" && cell.value.length > LONG_TEXT);
  return { ...column, numeric, long, write: numbers(decimalsOf(values)) };
}

function cellView(column, cell, index) {
  const text = cell?.kind === "number" ? column.write(cell.value) : cell?.kind === "date" ? day(cell.value) : cell?.value ?? "";
  const classes = [column.numeric && "number", column.long && "long", cell?.kind === "date" && "date"].filter(Boolean).join(" ") || null;
  return index === 0 ? el("th", { scope: "row", class: classes }, text) : el("td", { class: classes }, text);
}

/** Empty cells stand last, whatever the direction. */
function compare(a, b, sign) {
  const [x, y] = [a?.value ?? null, b?.value ?? null];
  if (x === null || y === null) return (x === null) - (y === null);
  if (typeof x === "number" && typeof y === "number") return sign * (x - y);
  return sign * String(x).localeCompare(String(y), undefined, { numeric: true });
}
