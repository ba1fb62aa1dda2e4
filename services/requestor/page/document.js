// A result: what a reader should know first, the chart, the table.

import { el, icon } from "./dom.js";
import { chartView } from "./chart.js";
import { tableView } from "./table.js";

/** The elements that show a document. Every text in it stays text. */
export function documentView({ title, summary = [], warnings = [], columns = [], rows = [], chart = null }) {
  const parts = [];
  if (summary.length > 0) parts.push(el("ul", { class: "summary", "aria-label": "Summary" }, summary.map((text) => el("li", {}, text))));
  if (warnings.length > 0) {
    parts.push(el("div", { class: "box warn", role: "group", "aria-label": "Warnings" }, icon("warning"),
      el("ul", {}, warnings.map((text) => el("li", {}, text)))));
  }
  if (chart && chart.x.length > 0) parts.push(chartView(chart));
  if (columns.length > 0) parts.push(tableView(title, columns, rows));
  return parts;
}
