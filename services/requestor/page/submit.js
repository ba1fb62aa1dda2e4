// Sends a request for a report so that it arrives once: its key is kept until the service has answered, over failures
// of the network and over a reload of the page.

import { post } from "./api.js";

const PLACE = "report.unsent";
/** The service knows a key for longer than this, so what is sent again within it cannot become a second report. */
const KEPT_MS = 60 * 60 * 1000;
const WAITS_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/** What this user has sent without an answer so far; null when there is nothing. */
export function unsent(user) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(PLACE));
    if (kept?.user === user && Date.now() - kept.since < KEPT_MS) return kept;
  } catch {
    // What cannot be read is as good as nothing.
  }
  forget();
  return null;
}

/** Gives a request its key. The one of before is used again while it waits for its answer and asks for the same. */
export function request(user, type, parameters) {
  const body = { type, parameters };
  const before = unsent(user);
  if (before && JSON.stringify(before.body) === JSON.stringify(body)) return before;
  const made = { user, key: newKey(), since: Date.now(), body };
  sessionStorage.setItem(PLACE, JSON.stringify(made));
  return made;
}

export function forget() {
  sessionStorage.removeItem(PLACE);
}

/**
 * Sends it, again and again while that may help, for about a minute. Calls `waiting` with the problem before each
 * further try. Throws the last problem; then the request is kept only if it may have arrived.
 */
export async function send(asked, waiting) {
  for (let tries = 0; ; tries += 1) {
    try {
      const accepted = await post("/api/reports", asked.body, { "Idempotency-Key": asked.key });
      forget();
      return accepted;
    } catch (problem) {
      if (!problem.passes) {
        if (!problem.signedOut) forget();
        throw problem;
      }
      if (tries >= WAITS_MS.length) throw problem;
      waiting(problem);
      await pause(Math.max(WAITS_MS[tries] * (0.5 + Math.random() / 2), Math.min(problem.after, 60) * 1000));
    }
  }
}

/** 128 random bits. `crypto.randomUUID` is not there on a plain http address. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Waits so long, or until the network is back. */
function pause(ms) {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      done();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
  });
}
