// What the page knows about the user's reports: one place, fed by lists and by events, in whatever order they arrive.

const STATE_OF = {
  "report.queued": "queued",
  "report.started": "running",
  "report.finished": "done",
  "report.failed": "failed",
  "report.cancelled": "cancelled",
};

/** Whether nothing more will happen to a report. */
export const ended = (report) => report.state === "done" || report.state === "failed" || report.state === "cancelled";

/**
 * How far a report is. What is told late never takes it back: an older list, a repeated event. A retry is a step
 * forward, because it counts one more attempt. Failed is below done: an operator may give a dead report another try.
 */
export function progress({ state, attempts }) {
  const tries = attempts ?? 0;
  switch (state) {
    case "done":
    case "cancelled": return Infinity;
    case "failed": return 4 * tries + 3.5;
    case "running": return 4 * Math.max(1, tries) + 1;
    case "delayed": return 4 * tries + 2;
    default: return tries > 0 ? 4 * tries + 3 : 0;
  }
}

/** Whether entry `a` of the user's log (`milliseconds-number`) is after entry `b`. */
export function after(a, b) {
  if (!b) return true;
  const [aTime, aCount] = a.split("-").map(Number);
  const [bTime, bCount] = b.split("-").map(Number);
  return aTime === bTime ? (aCount || 0) > (bCount || 0) : aTime > bTime;
}

/** The reports. Fires `change` with `detail: {report, before}`, where `before` is the state before it, if any. */
export class Reports extends EventTarget {
  #byId = new Map();

  get(id) {
    return this.#byId.get(id) ?? null;
  }

  /** Newest first. */
  list() {
    const order = (a, b) => Date.parse(b.created_at) - Date.parse(a.created_at) || (a.id < b.id ? 1 : -1);
    return [...this.#byId.values()].sort(order);
  }

  /** Takes in what the service says of a report. Returns what is known now. */
  merge(told) {
    const known = this.#byId.get(told.id);
    if (!known || progress(told) >= progress(known)) return this.#put({ ...known, ...told }, known);
    const { state, attempts, started_at, finished_at, error, result } = known;
    return this.#put({ ...told, state, attempts, started_at, finished_at, error, result }, known);
  }

  /** Takes in an event. False when it tells of a report that is not known here, which then should be asked for. */
  apply(event) {
    const state = STATE_OF[event.type];
    const known = this.#byId.get(event.data?.id);
    if (!state) return true;
    if (!known) return false;
    const told = { ...known, state, attempts: event.data.attempt || known.attempts, error: event.data.error ?? null };
    if (event.data.trace_id) told.trace_id = event.data.trace_id;
    if (state === "running") told.started_at ??= event.timestamp;
    if (ended(told)) told.finished_at = event.timestamp;
    if (progress(told) > progress(known)) this.#put(told, known);
    return true;
  }

  #put(report, known) {
    this.#byId.set(report.id, report);
    this.dispatchEvent(new CustomEvent("change", { detail: { report, before: known?.state ?? null } }));
    return report;
  }
}
