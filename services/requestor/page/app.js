// Puts the page together: who is signed in, what is shown for an address, and what the live connection changes.

import { announce, byId, el } from "./dom.js";
import { get, post } from "./api.js";
import { Form } from "./form.js";
import { List, word } from "./list.js";
import { Live } from "./live.js";
import { Operations } from "./operations.js";
import { ReportView } from "./report.js";
import { ended, Reports } from "./store.js";
import { forget, unsent } from "./submit.js";

const PAGE = 30;
const TOAST_MS = 12_000;
/** After so long without a connection the list is read anew, in case the log no longer reaches back so far. */
const LONG_AWAY_MS = 10 * 60_000;
/** A short hiccup is nobody's concern. */
const CALM_MS = 1_500;
const LINK_WORDS = {
  connecting: "Connecting", live: "Live", waiting: "Reconnecting", offline: "No network", crowded: "Open in too many windows",
};

class App {
  #view = null;
  #refreshing = null;
  #refreshAgain = false;
  #linkTimer = 0;
  #next = null;
  #unread = false;
  #prefill = null;

  constructor({ user }, { reports }) {
    this.user = user;
    this.catalog = reports;
    this.store = new Reports();
    this.list = new List(this.store, this.catalog);
    this.operations = new Operations();
    this.live = new Live(user);
  }

  start() {
    byId("user").textContent = this.user;
    for (const id of ["nav", "who"]) byId(id).hidden = false;
    byId("sign-out").addEventListener("click", () => this.#signOut());
    byId("more").addEventListener("click", () => this.#older());
    addEventListener("hashchange", () => this.#route(true));
    this.store.addEventListener("change", ({ detail }) => this.#changed(detail));
    this.live.addEventListener("entry", ({ detail }) => this.#entry(detail));
    this.live.addEventListener("state", ({ detail }) => this.#link(detail));
    this.live.addEventListener("open", ({ detail }) => this.#opened(detail));
    this.live.addEventListener("signed-out", () => this.ended());
    // The connection first, then the list: what happens between the two is then in one of them.
    this.live.start();
    this.#refresh();
    this.#route(false);
    this.#resume();
  }

  /** The session is over. */
  ended() {
    this.live.stop();
    this.#view?.close?.();
    signedOut("Your session has ended.");
  }

  #route(moved) {
    const [where, id] = location.hash.replace(/^#\/?/, "").split("/");
    const operations = where === "operations";
    byId("operations").hidden = !operations;
    byId("reports").hidden = operations;
    for (const link of byId("nav").children) {
      if ((link.dataset.tab === "operations") === operations) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.#view?.close?.();
    this.#view = null;
    const chosen = where === "reports" && id ? decode(id) : null;
    // On a narrow screen one of the three is shown; on a wide one the list stands beside the form or the report.
    byId("reports").dataset.view = chosen ? "report" : where === "new" ? "form" : "list";
    this.list.mark(chosen);
    if (operations) this.operations.read();
    else if (chosen) this.#open(chosen);
    else this.#form();
    if (moved) this.#arrive(operations);
    this.#entitle();
  }

  /** A new view begins at its top, for the eyes and for those who listen. */
  #arrive(operations) {
    scrollTo(0, 0);
    const heading = operations ? this.operations.heading : this.#view.heading;
    const shown = heading.checkVisibility() ? heading : byId("mine-title");
    shown.focus({ preventScroll: true });
  }

  /** The window's title tells of the report that is looked at, also while another window is. */
  #entitle() {
    const report = this.store.get(this.#view?.id);
    const what = report ? `${report.title ?? report.type}: ${word(report.state)}` : this.#view ? "My reports" : "Operations";
    document.title = `${what} – Reports`;
  }

  #open(id) {
    this.#view = new ReportView({ id, store: this.store, catalog: this.catalog, again: (report) => this.#again(report) });
    byId("pane").replaceChildren(this.#view.node);
  }

  #form() {
    const { type, parameters } = this.#prefill ?? {};
    this.#prefill = null;
    this.#view = new Form({
      catalog: this.catalog, user: this.user, chosen: type, values: parameters, accepted: (report) => this.#accepted(report),
    });
    byId("pane").replaceChildren(this.#view.node);
    this.#renew();
  }

  /** While there is nothing to choose from, which is so until a runner has started, the catalog is read anew. */
  async #renew() {
    if (!lacking(this.catalog)) return;
    const { reports } = await get("/api/catalog").catch(() => ({ reports: [] }));
    if (reports.length === 0 || lacking(reports)) return;
    this.catalog.splice(0, this.catalog.length, ...reports);
    if (!(this.#view instanceof Form)) return;
    const held = this.#view.node.contains(document.activeElement);
    this.#prefill = this.#view.entered;
    this.#form();
    if (held) this.#view.heading.focus();
  }

  #again(report) {
    this.#prefill = report;
    location.hash = "#/new";
  }

  #resume() {
    const asked = unsent(this.user);
    if (!asked || !this.catalog.some((report) => report.type === asked.body.type)) return forget();
    if (this.#view instanceof Form) return this.#view.resume(asked);
    // Another page is looked at; the request is sent all the same.
    const form = new Form({ catalog: this.catalog, user: this.user, accepted: () => this.#refresh() });
    return form.resume(asked);
  }

  async #accepted({ id }) {
    announce("The report is queued.");
    location.hash = `#/reports/${encodeURIComponent(id)}`;
    if (!this.store.get(id)) await this.#refresh();
  }

  #entry(event) {
    if (event.type === "alerts.changed") this.operations.read();
    else if (!this.store.apply(event)) this.#refresh();
  }

  #opened(away) {
    this.operations.read();
    if (away > LONG_AWAY_MS || this.#unread) this.#refresh();
    this.#view?.wake?.();
    this.#renew();
  }

  #changed({ report, before }) {
    if (this.#view?.id === report.id) this.#entitle();
    if (!before || before === report.state) return;
    const text = `${report.title ?? report.type}: ${word(report.state)}`;
    const watched = this.#view?.id === report.id;
    announce(text);
    if (ended(report) && !watched) toast(text, report.id);
  }

  /** Reads the newest reports; once more afterwards, if something was told meanwhile. */
  async #refresh() {
    if (this.#refreshing) {
      this.#refreshAgain = true;
      return this.#refreshing;
    }
    this.#refreshing = this.#page("").finally(() => {
      this.#refreshing = null;
      if (!this.#refreshAgain) return;
      this.#refreshAgain = false;
      this.#refresh();
    });
    return this.#refreshing;
  }

  async #older() {
    byId("more").disabled = true;
    await this.#page(`&before=${encodeURIComponent(this.#next)}`);
    byId("more").disabled = false;
  }

  async #page(query) {
    try {
      const { reports, next } = await get(`/api/reports?limit=${PAGE}${query}`);
      // The newest, read again, say nothing about the oldest that are shown, unless there is a gap between the two.
      const gap = reports.every(({ id }) => !this.store.get(id));
      for (const report of reports) this.store.merge(report);
      if (query || gap || this.#next === null) this.#next = next ?? "";
      byId("more").hidden = !this.#next;
      this.#unread = false;
      this.list.note();
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      this.#unread = problem.passes;
      if (problem.signedOut) this.ended();
      else this.list.note(`The list could not be read. ${problem.words}`, () => this.#refresh());
    }
  }

  /** Shows the state of the connection, calmly: only what lasts is worth a word. */
  #link(state) {
    clearTimeout(this.#linkTimer);
    const show = () => {
      byId("link-state").dataset.state = state;
      byId("link-text").textContent = LINK_WORDS[state];
    };
    // With too many windows open each try looks like a success at first.
    if (state === "live" && byId("link-state").dataset.state !== "crowded") show();
    else this.#linkTimer = setTimeout(show, CALM_MS);
  }

  async #signOut() {
    try {
      await post("/api/logout");
    } catch (problem) {
      if (!problem.signedOut) {
        announce("You could not be signed out.");
        toast(`You could not be signed out. ${problem.words}`);
        return;
      }
    }
    this.live.stop();
    sessionStorage.clear();
    signedOut("You have signed out.");
  }
}

/** A notice that goes by itself, unless it is being read. */
function toast(text, id) {
  const close = () => node.remove();
  const node = el("div", { class: "toast" }, el("span", {}, text),
    id && el("a", { href: `#/reports/${encodeURIComponent(id)}`, onclick: close }, "Show"),
    el("button", { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: close }, "✕"));
  const goes = () => (node.matches(":hover, :focus-within") ? setTimeout(goes, TOAST_MS / 4) : close());
  byId("toasts").append(node);
  while (byId("toasts").children.length > 3) byId("toasts").firstChild.remove();
  setTimeout(goes, TOAST_MS);
}

/** Whether something is needed that nothing is offered for. */
function lacking(catalog) {
  return catalog.length === 0 || catalog.some(({ parameters }) => parameters.some((one) => one.required && one.choices?.length === 0));
}

function only(id) {
  for (const part of byId("main").children) part.hidden = part.id !== id;
}

function signedOut(why) {
  for (const id of ["nav", "who"]) byId(id).hidden = true;
  if (why) byId("signed-out-why").textContent = why;
  only("signed-out");
  document.title = "Not signed in – Reports";
  byId("signed-out-title").focus();
}

function trouble(text) {
  byId("trouble-text").textContent = text;
  only("trouble");
  byId("trouble-title").focus();
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function begin() {
  only("loading");
  try {
    const [me, catalog] = await Promise.all([get("/api/me"), get("/api/catalog")]);
    only("reports");
    const app = new App(me, catalog);
    addEventListener("signed-out", () => app.ended());
    app.start();
  } catch (problem) {
    if (problem.status === undefined) throw problem;
    if (problem.signedOut) signedOut("");
    else trouble(problem.words);
  }
}

// The skip link and the addresses of views share the place behind the #.
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
byId("trouble-again").addEventListener("click", () => location.reload());
begin();
