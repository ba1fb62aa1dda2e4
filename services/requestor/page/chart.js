// Lines over one axis, drawn as wide as there is room. Broken lines tell of what has not happened yet.

import { draw, el } from "./dom.js";
import { day, decimalsOf, numbers } from "./format.js";

const HEIGHT = 280;
const EDGE = { top: 12, right: 14, bottom: 44 };
const COLOURS = 6;
/** With fewer positions each value gets a dot. */
const DOTS_BELOW = 40;
/** With more positions the lines are thinner. */
const DENSE_ABOVE = 200;
/** With more positions than this, only the extremes of neighbours are drawn: no screen has more dots. */
const FINEST = 1500;

/** The chart with its legend, and a line that tells the values under the pointer. */
export function chartView(chart) {
  const told = el("p", { class: "chart-told", "aria-hidden": "true" });
  const space = el("div", { class: "chart-space" });
  const legend = el("ul", { class: "legend" }, chart.series.map((line, index) => el("li", {},
    draw("svg", { class: `swatch line-${index % COLOURS}${line.forecast ? " forecast" : ""}`, viewBox: "0 0 26 8", "aria-hidden": "true" },
      draw("path", { d: "M1 4h24" })), line.label, line.forecast && el("span", { class: "sr-only" }, " (forecast)"))));
  const figure = el("figure", { class: "chart" }, el("figcaption", {}, chart.title), legend, space, told);
  let width = 0;
  new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now === width || now === 0) return;
    width = now;
    space.replaceChildren(new Drawing(chart, now, told).node);
  }).observe(space);
  return figure;
}

class Drawing {
  constructor(chart, width, told) {
    this.chart = chart;
    this.told = told;
    this.scale = scaleOf(chart);
    const longest = Math.max(...this.scale.ticks.map((tick) => this.scale.write(tick).length));
    this.left = 30 + 7.2 * longest;
    this.right = width - EDGE.right;
    this.bottom = HEIGHT - EDGE.bottom;
    this.rule = draw("path", { class: "rule", visibility: "hidden" });
    this.node = draw("svg", { class: chart.x.length > DENSE_ABOVE && "dense", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": spoken(chart) },
      this.#across(), this.#along(), chart.series.map((line, index) => this.#line(line, index)), this.rule);
    this.node.addEventListener("pointermove", (event) => this.#tell(event));
    this.node.addEventListener("pointerleave", () => this.#hush());
    this.#hush();
  }

  #x(index) {
    const steps = this.chart.x.length - 1;
    return steps === 0 ? (this.left + this.right) / 2 : this.left + (this.right - this.left) * index / steps;
  }

  #y(value) {
    const { low, high } = this.scale;
    return this.bottom - (this.bottom - EDGE.top) * (value - low) / (high - low);
  }

  #across() {
    const middle = (this.bottom + EDGE.top) / 2;
    return [
      this.scale.ticks.map((tick) => [
        draw("path", { class: "grid", d: `M${this.left} ${this.#y(tick).toFixed(1)}H${this.right}` }),
        draw("text", { class: "tick", x: this.left - 8, y: this.#y(tick) + 4, "text-anchor": "end" }, this.scale.write(tick)),
      ]),
      draw("text", { class: "axis", transform: `translate(14 ${middle}) rotate(-90)`, "text-anchor": "middle" }, this.chart.y_label),
    ];
  }

  #along() {
    const { x } = this.chart;
    const widest = Math.max(...sample(x, 20).map((text) => short(text).length));
    // At least the first and the last.
    const room = Math.max(2, Math.floor((this.right - this.left) / (7 * widest + 24)));
    const every = Math.max(1, Math.ceil((x.length - 1) / (room - 1)));
    const marks = [];
    for (let index = 0; index < x.length; index += every) {
      const at = this.#x(index);
      const anchor = at + 3.5 * widest > this.right + EDGE.right ? "end" : "middle";
      marks.push(draw("text", { class: "tick", x: at.toFixed(1), y: this.bottom + 18, "text-anchor": anchor }, short(x[index])));
    }
    return [marks, draw("text", { class: "axis", x: (this.left + this.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, this.chart.x_label)];
  }

  #line(line, index) {
    const points = thin(line.values);
    let d = "";
    let pen = false;
    const dots = [];
    points.forEach(([at, value], place) => {
      if (value === null) {
        pen = false;
        return;
      }
      const [x, y] = [this.#x(at).toFixed(1), this.#y(value).toFixed(1)];
      d += `${pen ? "L" : "M"}${x} ${y}`;
      const alone = !pen && (points[place + 1]?.[1] ?? null) === null;
      pen = true;
      if (alone || this.chart.x.length < DOTS_BELOW) dots.push(draw("circle", { cx: x, cy: y, r: 2.75 }));
    });
    return draw("g", { class: `line line-${index % COLOURS}${line.forecast ? " forecast" : ""}` }, draw("path", { d }), dots);
  }

  #tell(event) {
    const { x, series } = this.chart;
    const share = (event.clientX - this.node.getBoundingClientRect().left - this.left) / (this.right - this.left);
    const index = Math.min(x.length - 1, Math.max(0, Math.round(share * (x.length - 1))));
    this.rule.setAttribute("d", `M${this.#x(index).toFixed(1)} ${EDGE.top}V${this.bottom}`);
    this.rule.setAttribute("visibility", "visible");
    const there = series.filter((line) => (line.values[index] ?? null) !== null);
    const write = numbers(Math.min(4, this.scale.decimals + 1));
    this.told.textContent = `${day(x[index])}: ${there.map((line) => `${line.label} ${write(line.values[index])}`).join(" · ") || "no value"}`;
  }

  #hush() {
    this.rule.setAttribute("visibility", "hidden");
    this.told.textContent = "Point at the chart to read its values.";
  }
}

/** The vertical axis: round steps that hold all values, and zero where it is near. */
function scaleOf(chart) {
  let [low, high] = [Infinity, -Infinity];
  for (const line of chart.series) {
    for (const value of line.values) {
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) [low, high] = [0, 1];
  if (low > 0 && low < high / 2) low = 0;
  if (high < 0 && high > low / 2) high = 0;
  if (low === high) [low, high] = [low - Math.max(1, Math.abs(low) / 10), high + Math.max(1, Math.abs(high) / 10)];
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power;
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  const decimals = decimalsOf(ticks);
  return { low: ticks[0], high: ticks.at(-1), ticks, decimals, write: numbers(decimals) };
}

/** Pairs of position and value; of very many neighbours only the lowest and the highest, in their order. */
function thin(values) {
  const all = values.map((value, index) => [index, value]);
  if (all.length <= FINEST) return all;
  const each = Math.ceil(all.length / (FINEST / 2));
  const kept = [];
  for (let from = 0; from < all.length; from += each) {
    const some = all.slice(from, from + each).filter(([, value]) => value !== null);
    if (some.length === 0) {
      kept.push([from, null]);
      continue;
    }
    const low = some.reduce((a, b) => (b[1] < a[1] ? b : a));
    const high = some.reduce((a, b) => (b[1] > a[1] ? b : a));
    kept.push(...(low === high ? [low] : low[0] < high[0] ? [low, high] : [high, low]));
  }
  return kept;
}

/** The chart for those who cannot see it; the table below has the figures. */
function spoken(chart) {
  const [first, last] = [chart.x[0], chart.x.at(-1)];
  return `Chart: ${chart.title}. Lines: ${chart.series.map((line) => line.label).join(", ")}. From ${day(first)} to ${day(last)}.`;
}

const sample = (list, count) => list.filter((_, index) => index % Math.max(1, Math.floor(list.length / count)) === 0);

function short(text) {
  const written = day(text);
  return written.length > 16 ? `${written.slice(0, 15)}…` : written;
}
