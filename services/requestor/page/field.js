// One parameter of a report as a field of the form: its control, its help, and what is wrong with its value.

import { el } from "./dom.js";
import { day, numbers, decimalsOf } from "./format.js";

const LONGEST_TEXT = 200;

/** The field of a parameter of the catalog. */
export class Field {
  /** `value` stands in it at first; without one the parameter's own default does. */
  constructor(parameter, value) {
    this.parameter = parameter;
    this.name = parameter.name;
    this.#make(value ?? parameter.default ?? "");
  }

  #make(value) {
    const { parameter } = this;
    const id = `field-${parameter.name}`;
    this.control = parameter.kind === "choice" ? choice(parameter, value) : input(parameter, value);
    this.control.id = id;
    this.control.name = parameter.name;
    this.control.setAttribute("aria-describedby", `${id}-help ${id}-error`);
    if (parameter.required) this.control.setAttribute("aria-required", "true");
    this.message = el("p", { class: "error", id: `${id}-error` });
    this.node = el("div", { class: "field" },
      el("label", { for: id }, parameter.label,
        parameter.unit && el("span", { class: "unit" }, ` (${parameter.unit})`),
        !parameter.required && el("span", { class: "optional" }, " optional")),
      this.control,
      el("p", { class: "help", id: `${id}-help` }, [parameter.help, bounds(parameter)].filter(Boolean).join(" ")),
      this.message);
    // A mistake is told when the field is left, and taken back as soon as it is mended.
    this.control.addEventListener("change", () => this.check());
    this.control.addEventListener("input", () => this.message.textContent !== "" && this.check());
  }

  /** The value as the service wants it; undefined when nothing was entered. */
  get value() {
    const text = this.control.value.trim();
    if (text === "") return undefined;
    return this.parameter.kind === "integer" || this.parameter.kind === "number" ? Number(text) : text;
  }

  /** Whether something else stands in it than the catalog proposes. */
  get changed() {
    return this.value !== undefined && this.value !== this.parameter.default;
  }

  /** Offers only the choices that there are with `source`. What was chosen stays so if it can. */
  offer(source) {
    if (!this.parameter.choices?.some((one) => one.sources)) return;
    const offered = this.parameter.choices.filter((one) => !one.sources || one.sources.includes(source));
    this.control.replaceChildren(...options({ ...this.parameter, choices: offered }, this.control.value));
    this.control.disabled = offered.length === 0;
    this.show("");
  }

  /** Looks at the value, shows what is wrong with it, and says whether it is right. */
  check() {
    this.show(fault(this.parameter, this.control));
    return this.message.textContent === "";
  }

  /** Shows what is wrong; nothing is, with an empty text. */
  show(text) {
    this.message.textContent = text;
    if (text === "") this.control.removeAttribute("aria-invalid");
    else this.control.setAttribute("aria-invalid", "true");
  }
}

function input(parameter, value) {
  const { kind, min, max, step } = parameter;
  if (kind === "date") return el("input", { type: "date", min, max, value });
  if (kind === "integer") return el("input", { type: "number", inputmode: "numeric", min, max, step: step ?? 1, value });
  if (kind === "number") return el("input", { type: "number", inputmode: "decimal", min, max, step: step ?? "any", value });
  return el("input", { type: "text", maxlength: max ?? LONGEST_TEXT, minlength: min, autocomplete: "off", spellcheck: "false", value });
}

function choice(parameter, value) {
  return el("select", { disabled: (parameter.choices ?? []).length === 0 }, options(parameter, value));
}

function options({ choices = [], required }, value) {
  const chosen = choices.some((one) => one.value === value) ? value : required ? choices[0]?.value : "";
  const made = choices.map((one) => el("option", { value: one.value, selected: one.value === chosen }, one.label));
  return required ? made : [el("option", { value: "", selected: chosen === "" }, "–"), ...made];
}

/** What is wrong with the control's value, in words that say what to do; empty when nothing is. */
function fault({ kind, label, min, max, step, required }, control) {
  const { validity } = control;
  if (kind === "choice" && control.disabled) return required ? "Nothing is offered here yet: the runner may still be starting. Load the page again in a moment." : "";
  if (validity.badInput) return kind === "date" ? "Enter a whole date." : "Enter a number.";
  if (control.value.trim() === "") return required ? `${label} is needed.` : "";
  if (validity.rangeUnderflow) return `Enter ${written(kind, min)} or ${kind === "date" ? "later" : "more"}.`;
  if (validity.rangeOverflow) return `Enter ${written(kind, max)} or ${kind === "date" ? "earlier" : "less"}.`;
  if (validity.stepMismatch) return (step ?? 1) === 1 ? "Enter a whole number." : `Enter a multiple of ${step}${min ? ` above ${min}` : ""}.`;
  if (validity.tooShort) return `Enter at least ${min} characters.`;
  return control.checkValidity() ? "" : control.validationMessage;
}

/** The bounds as a hint, so that nobody has to find them by mistakes. */
function bounds({ kind, min, max }) {
  if (kind !== "integer" && kind !== "number") return "";
  const [low, high] = [min ?? null, max ?? null];
  if (low !== null && high !== null) return `From ${written(kind, low)} to ${written(kind, high)}.`;
  if (low !== null) return `At least ${written(kind, low)}.`;
  return high === null ? "" : `At most ${written(kind, high)}.`;
}

function written(kind, value) {
  return kind === "date" ? day(value) : numbers(decimalsOf([Number(value)]))(Number(value));
}
