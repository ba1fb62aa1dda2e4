// The operations tab: what is wrong with the system now, and what was.

import { byId, el, icon } from "./dom.js";
import { get } from "./api.js";
import { moment } from "./format.js";

/** What a reader has been told already, in the title and the summary. */
const TOLD = new Set(["alertname", "severity"]);

/** Shows the alerts and keeps them so. */
export class Operations {
  #asked = 0;

  constructor() {
    this.heading = el("h1", { id: "operations-title", tabindex: "-1" }, "Operations");
    this.status = el("p", { class: "operations-status", role: "status" }, "Asking for the alerts…");
    this.body = el("div", { class: "alerts" });
    byId("operations").replaceChildren(this.heading, this.status, this.body);
  }

  /** Reads the alerts anew. Of answers that overtake each other only the one to the last question is shown. */
  async read() {
    this.#asked += 1;
    const mine = this.#asked;
    try {
      const { alerts } = await get("/api/alerts");
      if (mine === this.#asked) this.#show(alerts);
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      if (problem.signedOut) dispatchEvent(new Event("signed-out"));
      else if (mine === this.#asked) this.#failed(problem);
    }
  }

  #show(alerts) {
    const firing = alerts.filter((alert) => alert.status === "firing");
    const resolved = alerts.filter((alert) => alert.status !== "firing");
    byId("firing").textContent = String(firing.length);
    byId("firing").setAttribute("aria-label", `${firing.length} firing`);
    byId("firing").hidden = firing.length === 0;
    this.status.textContent = firing.length === 0 ? "All is well: no alert is firing."
      : firing.length === 1 ? "One alert is firing." : `${firing.length} alerts are firing.`;
    this.status.dataset.state = firing.length === 0 ? "good" : "bad";
    this.body.replaceChildren(...group("Firing", firing), ...group("Resolved", resolved));
  }

  #failed(problem) {
    this.status.textContent = `The alerts could not be read. ${problem.words}`;
    this.status.dataset.state = "unknown";
    this.body.replaceChildren(el("p", {}, el("button", { type: "button", class: "button small", onclick: () => this.read() }, "Try again")));
  }
}

function group(title, alerts) {
  if (alerts.length === 0) return [];
  return [el("h2", {}, title), el("ul", { class: "alert-list" }, alerts.map(card))];
}

function card(alert) {
  const firing = alert.status === "firing";
  const labels = Object.entries(alert.labels ?? {}).filter(([name]) => !TOLD.has(name));
  return el("li", { class: "alert", "data-status": firing ? "firing" : "resolved", "data-severity": alert.severity },
    el("div", { class: "alert-head" }, icon(firing ? "warning" : "done"), el("h3", {}, alert.name),
      alert.severity && el("span", { class: "severity" }, alert.severity)),
    alert.summary && el("p", {}, alert.summary),
    el("p", { class: "times" }, "Since ", moment(alert.starts_at), !firing && alert.ends_at && [" · resolved ", moment(alert.ends_at)]),
    labels.length > 0 && el("ul", { class: "labels", "aria-label": "Labels" },
      labels.map(([name, value]) => el("li", {}, el("span", {}, `${name} `), value))));
}
