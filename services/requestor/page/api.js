// The calls to the service, and what can go wrong with them.

const TIMEOUT_MS = 20_000;

/** What the service, or the way to it, answered instead of what was asked for. */
export class Problem extends Error {
  /** `status` is 0 when no answer came at all. `field` names the parameter that is wrong, where one is. */
  constructor({ status, title, detail, field, trace, after }) {
    super(detail || title);
    this.status = status;
    this.field = field ?? null;
    this.trace = trace ?? "";
    this.after = after ?? 0;
  }

  /** Whether the same call may succeed a little later. */
  get passes() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }

  /** For people: what went wrong, with the number that support needs when it is the service's fault. */
  get words() {
    return this.status >= 500 && this.trace ? `${this.message} For support: ${this.trace}.` : this.message;
  }

  get signedOut() {
    return this.status === 401;
  }
}

/** Reads JSON; what is large may take longer. */
export const get = (path, timeout = TIMEOUT_MS) => call("GET", path, { timeout });

/** Writes, and reads what is answered, if anything is. */
export const post = (path, body, headers = {}) => call("POST", path, { body, headers });

async function call(method, path, { body, headers = {}, timeout = TIMEOUT_MS }) {
  const request = { method, headers: { Accept: "application/json", ...headers }, signal: AbortSignal.timeout(timeout) };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let answer;
  let text;
  try {
    answer = await fetch(path, request);
    text = await answer.text();
  } catch {
    throw new Problem({ status: 0, title: "The service cannot be reached. Check the network connection." });
  }
  if (!answer.ok) throw problem(answer, text);
  return text === "" ? null : read(text, answer);
}

function read(text, answer) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem({ status: 502, title: `The service answered ${answer.status} with something that this page does not understand.` });
  }
}

function problem(answer, text) {
  let told = {};
  try {
    told = JSON.parse(text) ?? {};
  } catch {
    // A proxy between may answer with a page of its own; its status is all that can be used.
  }
  const after = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  return new Problem({
    status: answer.status,
    title: told.title ?? `The service answered ${answer.status}.`,
    detail: told.detail,
    field: told.field,
    trace: told.trace_id,
    after: Number.isFinite(after) ? after : 0,
  });
}
