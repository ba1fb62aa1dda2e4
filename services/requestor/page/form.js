// The form for a new report: which one, with what parameters.

import { announce, el, icon } from "./dom.js";
import { Field } from "./field.js";
import * as submit from "./submit.js";

/**
 * Shows the form. `chosen` is the type that is picked at first, `values` what stands in its fields; `accepted` is
 * called with what the service answered.
 */
export class Form {
  #fields = [];
  #sending = false;

  constructor({ catalog, user, chosen, values, accepted }) {
    this.catalog = catalog;
    this.user = user;
    this.accepted = accepted;
    this.type = catalog.some((report) => report.type === chosen) ? chosen : catalog[0]?.type;
    this.heading = el("h1", { tabindex: "-1", id: "form-title" }, "New report");
    this.parameters = el("div", { class: "parameters" });
    this.note = el("p", { class: "form-note", role: "alert" });
    // The press leaves the focus in its field: a mistake that was told on leaving it would move the button away from
    // under the finger, and the click would be lost.
    this.button = el("button", { type: "submit", class: "button primary", onmousedown: (event) => event.preventDefault() }, "Run report");
    this.form = el("form", { novalidate: true, "aria-labelledby": "form-title", onsubmit: (event) => this.#submit(event) },
      el("fieldset", { class: "types" }, el("legend", {}, "Which report?"), catalog.map((report) => this.#choice(report))),
      this.parameters, this.note, this.button);
    this.node = el("div", { class: "card form" },
      el("a", { class: "back", href: "#/" }, icon("back"), "All reports"), this.heading, catalog.length > 0 ? this.form
      : el("p", {}, "There are no reports to choose from yet. The part of the system that makes them may still be starting."));
    this.#showParameters(values ?? {});
  }

  /** Sends again what got no answer before the page was loaded. */
  resume(asked) {
    this.type = asked.body.type;
    for (const radio of this.form.elements.type ? [this.form.elements.type].flat() : []) radio.checked = radio.value === this.type;
    this.#showParameters(asked.body.parameters);
    return this.#send(asked);
  }

  /** What was chosen and entered so far, as a report has it. */
  get entered() {
    return { type: this.type, parameters: this.#values() };
  }

  #choice(report) {
    const id = `type-${report.type}`;
    return el("label", { class: "type", for: id },
      el("input", {
        type: "radio", name: "type", id, value: report.type, checked: report.type === this.type,
        "aria-describedby": `${id}-about`, onchange: () => this.#choose(report.type),
      }),
      el("span", { class: "type-title" }, report.title),
      el("span", { class: "type-about", id: `${id}-about` }, report.description));
  }

  #choose(type) {
    // What was changed for one report is kept for fields of the same name in another.
    const changed = this.#fields.filter((field) => field.changed).map((field) => [field.name, field.value]);
    this.type = type;
    this.#showParameters(Object.fromEntries(changed));
  }

  #showParameters(values) {
    const report = this.catalog.find((one) => one.type === this.type);
    this.#fields = (report?.parameters ?? []).map((parameter) => new Field(parameter, values[parameter.name]));
    const source = this.#fields.find((field) => field.name === "source");
    const offer = () => this.#fields.forEach((field) => field.offer(source?.value));
    source?.control.addEventListener("change", offer);
    offer();
    this.parameters.replaceChildren(...this.#fields.map((field) => field.node));
    this.note.textContent = "";
  }

  #values() {
    const filled = this.#fields.filter((field) => field.value !== undefined);
    return Object.fromEntries(filled.map((field) => [field.name, field.value]));
  }

  #submit(event) {
    event.preventDefault();
    if (this.#sending) return;
    const wrong = this.#fields.filter((field) => !field.check());
    if (wrong.length > 0) {
      this.note.textContent = wrong.length === 1 ? "One field needs another look." : `${wrong.length} fields need another look.`;
      wrong[0].control.focus();
      return;
    }
    this.#send(submit.request(this.user, this.type, this.#values()));
  }

  async #send(asked) {
    this.#sending = true;
    this.button.setAttribute("aria-disabled", "true");
    this.button.textContent = "Sending…";
    this.note.textContent = "";
    try {
      this.accepted(await submit.send(asked, (problem) => this.#waits(problem)));
    } catch (problem) {
      this.#refused(problem);
    } finally {
      this.#sending = false;
      this.button.removeAttribute("aria-disabled");
      this.button.textContent = "Run report";
    }
  }

  #waits(problem) {
    const why = problem.status === 429 ? "The service takes no more requests at the moment." : "The service has not answered yet.";
    this.note.textContent = `${why} Trying again…`;
  }

  #refused(problem) {
    if (problem.status === undefined) throw problem;
    if (problem.signedOut) {
      dispatchEvent(new Event("signed-out"));
      return;
    }
    const name = (problem.field ?? "").replace(/^parameters\./, "");
    const field = this.#fields.find((one) => one.name === name);
    if (field) {
      field.show(problem.message);
      field.control.focus();
      announce(problem.message);
      return;
    }
    const again = problem.passes ? " Press “Run report” to try again: it will not run twice." : "";
    this.note.textContent = `${problem.words}${again}`;
  }
}
