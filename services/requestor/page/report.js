// One report: how far it is, what was asked, what came of it, and the number for support.

import { announce, el, icon } from "./dom.js";
import { duration, moment, size } from "./format.js";
import { get, post } from "./api.js";
import { badge, shown, word } from "./list.js";
import { ended } from "./store.js";
import { documentView } from "./document.js";

/** A result larger than this is not shown, only downloaded: a browser would stop answering. */
const LARGEST_SHOWN = 16_000_000;
/** How long it may take to come, on a slow line. */
const RESULT_TIMEOUT_MS = 120_000;

/** Shows the report `id` and keeps it so until `close`. */
export class ReportView {
  #shownResult = false;
  #reading = false;
  #sized = false;
  #cancelling = false;
  #later = null;
  #timer = 0;
  #closed = false;

  constructor({ id, store, catalog, again }) {
    this.id = id;
    this.path = `/api/reports/${encodeURIComponent(id)}`;
    this.store = store;
    this.catalog = catalog;
    this.again = again;
    this.heading = el("h1", { tabindex: "-1", id: "report-title" }, "Report");
    this.state = el("div", { class: "state" });
    this.times = el("p", { class: "times" });
    this.actions = el("div", { class: "actions" });
    this.note = el("div", { class: "report-note", role: "alert" });
    this.asked = el("dl", { class: "asked" });
    this.result = el("div", { class: "result" });
    this.support = el("p", { class: "support" });
    this.node = el("article", { class: "card report", "aria-labelledby": "report-title" },
      el("a", { class: "back", href: "#/" }, icon("back"), "All reports"),
      el("div", { class: "report-head" }, el("div", { class: "report-name" }, this.heading, this.times), this.state),
      this.asked, this.actions, this.note, this.result, this.support);
    this.onChange = ({ detail }) => detail.report.id === id && this.#show(detail.report);
    store.addEventListener("change", this.onChange);
    const known = store.get(id);
    if (known) this.#show(known);
    else this.#read();
  }

  /** The service can be reached again: what failed for that reason is done now. */
  wake() {
    const later = this.#later;
    this.#later = null;
    if (!later) return;
    this.note.replaceChildren();
    later();
  }

  close() {
    this.#closed = true;
    clearInterval(this.#timer);
    this.store.removeEventListener("change", this.onChange);
  }

  async #read() {
    if (this.#reading) return;
    this.#reading = true;
    try {
      const told = await get(this.path);
      this.#sized = ended(told);
      this.store.merge(told);
    } catch (problem) {
      this.#failed(problem, () => this.#read());
    } finally {
      this.#reading = false;
    }
  }

  #show(report) {
    this.heading.textContent = report.title ?? report.type;
    this.state.replaceChildren(badge(report.state));
    this.#showTimes(report);
    this.#showAsked(report);
    this.#showActions(report);
    this.#showSupport(report);
    if (report.state === "done") this.#showResult(report);
    else this.result.replaceChildren(...this.#meanwhile(report));
    clearInterval(this.#timer);
    if (report.state === "running") this.#timer = setInterval(() => this.#showTimes(report), 1000);
  }

  #showTimes(report) {
    const parts = [["Asked ", moment(report.created_at)]];
    const from = Date.parse(report.started_at);
    if (report.state === "running" && from) parts.push([`running for ${duration(Date.now() - from)}`]);
    if (ended(report) && report.finished_at) {
      const since = from || Date.parse(report.created_at);
      parts.push([`${word(report.state).toLowerCase()} after ${duration(Date.parse(report.finished_at) - since)}`]);
    }
    if (report.attempts > 1) parts.push([`attempt ${report.attempts}`]);
    this.times.replaceChildren(...parts.flatMap((part, at) => (at === 0 ? part : [" · ", ...part])));
  }

  #showAsked(report) {
    const known = this.catalog.find((one) => one.type === report.type)?.parameters ?? [];
    const pairs = Object.entries(report.parameters ?? {}).filter(([, value]) => value !== null);
    this.asked.replaceChildren(...pairs.map(([name, value]) => {
      const parameter = known.find((one) => one.name === name) ?? { label: name };
      return el("div", {}, el("dt", {}, parameter.label), el("dd", {}, shown(parameter, value)));
    }));
  }

  #showActions(report) {
    const buttons = [];
    if (report.state === "done") {
      buttons.push(el("a", { class: "button primary", href: `${this.path}/result.csv`, download: true }, icon("download"), "Download CSV"));
    }
    if (!ended(report)) {
      buttons.push(el("button", { type: "button", class: "button danger", "aria-disabled": this.#cancelling && "true", onclick: () => this.#cancel() },
        this.#cancelling ? "Cancelling…" : "Cancel"));
    }
    if (this.catalog.some((one) => one.type === report.type)) {
      buttons.push(el("button", { type: "button", class: "button", onclick: () => this.again(report) }, "Run again…"));
    }
    const held = this.actions.contains(document.activeElement);
    const same = [...this.actions.children].map((node) => node.textContent).join() === buttons.map((node) => node.textContent).join();
    if (same) return;
    this.actions.replaceChildren(...buttons);
    // The button under the focus may be gone; the focus shall not be lost with it.
    if (held) (this.#cancelling && !ended(report) ? this.actions.firstChild : this.heading).focus();
  }

  #meanwhile(report) {
    switch (report.state) {
      case "failed":
        return [el("div", { class: "box bad" }, el("h2", {}, "What went wrong"), el("p", {}, report.error || "The service did not say why."))];
      case "cancelled":
        return [el("p", { class: "quiet-text" }, "This report was cancelled. It has no result.")];
      case "delayed":
        return [el("div", { class: "box" }, el("p", {}, report.error ? `An attempt failed: ${report.error}` : "An attempt failed."),
          el("p", {}, "It will be tried again by itself."))];
      default:
        return [el("div", { class: "progress", "aria-hidden": "true" }, el("span")),
          el("p", { class: "quiet-text" }, report.state === "running" ? "The result appears here as soon as it is there." : "It starts as soon as a worker is free. The result appears here; you may leave this page meanwhile.")];
    }
  }

  async #showResult(report) {
    if (this.#shownResult) return;
    if (!this.#sized) {
      this.result.replaceChildren(el("p", { class: "quiet-text" }, "Fetching the result…"));
      // Events and lists say that it is done. Only the report itself says how large the result is.
      this.#read();
      return;
    }
    this.note.replaceChildren();
    this.#shownResult = true;
    if (report.result?.size > LARGEST_SHOWN) {
      this.result.replaceChildren(el("p", { class: "box" }, `The result is too large to be shown here (${size(report.result.size)}). Download it as CSV.`));
      return;
    }
    try {
      const content = await get(`${this.path}/result.json`, RESULT_TIMEOUT_MS);
      if (!this.#closed) this.result.replaceChildren(...documentView(content));
    } catch (problem) {
      this.#shownResult = false;
      this.#lost(problem, report);
    }
  }

  #lost(problem, report) {
    if (problem.status === 410) {
      this.actions.querySelector("a")?.remove();
      this.result.replaceChildren(el("p", { class: "box" }, "This result is not kept any more: results stay for seven days. Run the report again to get a new one."));
      return;
    }
    this.result.replaceChildren();
    this.#failed(problem, () => this.#showResult(report));
  }

  #showSupport(report) {
    const number = report.trace_id || report.id;
    if (this.support.dataset.number === number) return;
    this.support.dataset.number = number;
    const code = el("code", {}, number);
    const said = el("span", { class: "copied", role: "status" });
    const copy = el("button", { type: "button", class: "quiet", "aria-label": "Copy the number for support", onclick: () => copyText(code, said) }, icon("copy"), "Copy");
    this.support.replaceChildren(el("span", {}, report.trace_id ? "Trace id for support" : "Report id for support"), code, copy, said);
  }

  /** Asks for it to be stopped. That it was stopped is told by an event, as everything is. */
  async #cancel() {
    if (this.#cancelling) return;
    this.#setCancelling(true);
    try {
      await post(`${this.path}/cancel`);
      announce("The report is being cancelled.");
    } catch (problem) {
      this.#setCancelling(false);
      if (problem.status === 409) await this.#read();
      else this.#failed(problem);
    }
  }

  #setCancelling(cancelling) {
    this.#cancelling = cancelling;
    this.note.replaceChildren();
    this.#showActions(this.store.get(this.id));
  }

  #failed(problem, retry) {
    if (problem.status === undefined) throw problem;
    if (problem.signedOut) {
      dispatchEvent(new Event("signed-out"));
      return;
    }
    if (this.#closed) return;
    this.result.replaceChildren();
    if (problem.status === 404) this.heading.textContent = "Not found";
    const text = problem.status === 404 ? "There is no such report among yours. Its address may be incomplete, or it is too old." : problem.words;
    this.#later = problem.passes && retry ? retry : null;
    const again = this.#later && el("button", { type: "button", class: "button small", onclick: () => this.wake() }, "Try again");
    this.note.replaceChildren(el("div", { class: "box bad" }, el("p", {}, text), again || ""));
  }
}

async function copyText(code, said) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    said.textContent = "Copied";
  } catch {
    // A plain http address has no clipboard: the text is marked, and the keyboard copies it.
    getSelection().selectAllChildren(code);
    said.textContent = "Marked: copy it with the keyboard";
  }
}
