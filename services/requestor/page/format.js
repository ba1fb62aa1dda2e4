// How times, days and numbers are written: as the user's browser does it.

import { el } from "./dom.js";

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const ISO_DAY = /^(\d{4})-(\d{2})-(\d{2})$/;

/** A moment, short; the whole of it as a tooltip. */
export function moment(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "–";
  const today = at.toDateString() === new Date().toDateString();
  return el("time", { datetime: iso, title: FULL.format(at) }, (today ? TIME : DAY_AND_TIME).format(at));
}

/** A day such as 2026-11-24 as people write it here; any other text as it is. */
export function day(text) {
  const parts = ISO_DAY.exec(text);
  return parts ? DAY.format(new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]))) : text;
}

/** Writes numbers with exactly so many decimals. */
export function numbers(decimals) {
  const format = new Intl.NumberFormat(undefined, {
    minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: "min2",
  });
  return (value) => format.format(value);
}

/** How many decimals a set of numbers needs, at most four. */
export function decimalsOf(values) {
  let most = 0;
  for (const value of values) {
    while (most < 4 && Math.abs(value - Number(value.toFixed(most))) > 1e-9 * Math.max(1, Math.abs(value))) most += 1;
    if (most === 4) break;
  }
  return most;
}

/** A length of time in words: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${numbers(1)(seconds)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A number of bytes in words. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${numbers(0)(bytes / 1000)} kB`;
  return `${numbers(1)(bytes / 1e6)} MB`;
}
