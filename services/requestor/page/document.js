// A result: what a reader should know first, the chart, the table.

import { el, icon } from "./dom.js";
import { chartView } from "./chart.js";
import { tableView } from "./table.js";

/** So many warnings are shown at once; more would push the result out of sight. */
const WARNINGS = 3;

/** The elements that show a document. Every text in it stays text. */
export function documentView({ title, summary = [], warnings = [], columns = [], rows = [], chart = null }) {
  const parts = [];
  if (summary.length > 0) parts.push(el("ul", { class: "summary", "aria-label": "Summary" }, summary.map((text) => el("li", {}, text))));
  if (warnings.length > 0) parts.push(warningsView(warnings));
  if (chart && chart.x.length > 0) parts.push(chartView(chart));
  if (columns.length > 0) parts.push(tableView(title, columns, rows));
  return parts;
}

function warningsView(warnings) {
  const list = (some) => el("ul", {}, some.map((text) => el("li", {}, text)));
  const more = warnings.slice(WARNINGS);
  return el("div", { class: "box warn", role: "group", "aria-label": "Warnings" }, icon("warning"),
    el("div", {}, list(warnings.slice(0, WARNINGS)),
      more.length > 0 && el("details", {}, el("summary", {}, `${more.length} more ${more.length === 1 ? "warning" : "warnings"}`), list(more))));
}
