"use strict";
// Double braces are never written here: Prometheus reads this page as a Go template.
const spec = JSON.parse(document.getElementById("spec").textContent);
const base = location.pathname.replace(/\/consoles\/.*$/, "");
const RANGES = [["15 min", 900], ["1 h", 3600], ["6 h", 21600], ["24 h", 86400], ["7 d", 604800]];
const SVG = "http://www.w3.org/2000/svg";
const plots = [];
let range = Number(location.hash.slice(1)) || 900;
let busy = false;
let again = false;

// ---- small things ----

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const short = value => Math.abs(value) >= 100 ? value.toFixed(0)
  : Math.abs(value) >= 10 ? String(Number(value.toFixed(1)))
  : String(Number(value.toFixed(2)));

function scaled(value, factor, names) {
  let step = 0;
  while (Math.abs(value) >= factor && step < names.length - 1) { value /= factor; step += 1; }
  return short(value) + names[step];
}

function seconds(value) {
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 0.001) return short(value * 1e6) + " µs";
  if (size < 1) return short(value * 1000) + " ms";
  if (size < 120) return short(value) + " s";
  if (size < 7200) return short(value / 60) + " min";
  if (size < 172800) return short(value / 3600) + " h";
  return short(value / 86400) + " d";
}

const UNITS = {
  "count": value => scaled(value, 1000, ["", " k", " M", " G"]),
  "per-second": value => (value !== 0 && Math.abs(value) < 0.1 ? short(value * 60) + " /min" : scaled(value, 1000, ["", " k", " M"]) + " /s"),
  "bytes": value => scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]),
  "bytes-per-second": value => scaled(value, 1024, [" B/s", " KiB/s", " MiB/s", " GiB/s"]),
  "seconds": seconds,
  "ratio": value => short(value * 100) + " %",
};

function level(scale, value) {
  let found = scale.base;
  for (const [from, name] of scale.steps) if (value >= from) found = name;
  return found;
}

function clock(time, span) {
  const date = new Date(time * 1000);
  const two = number => String(number).padStart(2, "0");
  const hour = two(date.getHours()) + ":" + two(date.getMinutes());
  if (span > 172800) return date.getDate() + " " + date.toLocaleString("en", { month: "short" });
  return span > 120 ? hour : hour + ":" + two(date.getSeconds());
}

function ago(iso) {
  const passed = (Date.now() - Date.parse(iso)) / 1000;
  return Number.isFinite(passed) && passed < 1e9 ? seconds(Math.max(0, Math.round(passed))) + " ago" : "never";
}

// ---- asking ----

async function api(path, parameters) {
  const url = base + "/api/v1/" + path + "?" + new URLSearchParams(parameters || {});
  const response = await fetch(url, { cache: "no-store" });
  const body = await response.json();
  if (body.status !== "success") throw new Error(body.error || "no answer");
  return body.data;
}

function legend(query, labels) {
  const text = query.legend.replace(/\{\{(\w+)}}/g, (_, label) => labels[label] || "");
  return text || Object.values(labels).join(" ") || query.expr;
}

/** Every series of a panel, each with its points on the common steps; a step without a figure is a gap. */
async function series(panel, end, step) {
  const window = Math.max(spec.window, Math.ceil(step)) + "s";
  const answers = await Promise.all(panel.queries.map(query => {
    const expr = query.expr.split("$window").join(window);
    const asked = panel.kind === "state"
      ? api("query", { query: expr, time: end })
      : api("query_range", { query: expr, start: end - range, end, step });
    return asked.then(data => data.result.map(one => ({
      name: legend(query, one.metric),
      points: (one.values || [one.value]).map(([time, value]) => [time, Number(value)]).filter(point => Number.isFinite(point[1])),
    })));
  }));
  // What is nothing all the time only makes a stack's legend longer.
  const speaks = one => panel.kind !== "stack" || one.points.some(found => found[1] > 0.0005);
  const all = answers.flat().filter(one => one.points.length > 0 && speaks(one));
  return panel.kind === "graph" || panel.kind === "stack" ? all : all.sort((a, b) => a.name.localeCompare(b.name));
}

/** The latest figure, if it is not of the past: what is gone has none. */
function last(plot, one) {
  const [time, value] = one.points[one.points.length - 1];
  return plot.end - time <= plot.step * 1.6 ? value : undefined;
}

// ---- drawing ----

/** Where the lines of the axis stand: at most six, at round figures. */
function axis(unit, all, highest) {
  const power = unit.startsWith("bytes") ? 1024 : 10;
  const rounds = power === 10 ? [1, 2, 5] : [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
  const whole = unit === "count" && all.every(one => one.points.every(found => Number.isInteger(found[1])));
  const wanted = (highest > 0 ? highest : 1) / 5;
  const size = Math.pow(power, Math.floor(Math.log(wanted) / Math.log(power)));
  let step = (rounds.find(round => round * size >= wanted) || power) * size;
  if (whole) step = Math.max(1, step);
  const lines = [0];
  while (lines[lines.length - 1] < highest || lines.length < 3) lines.push(lines.length * step);
  return lines;
}

function timeTicks(start, end, count) {
  const steps = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800];
  const step = steps.find(candidate => (end - start) / candidate <= count) || 172800;
  const shift = new Date(end * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  for (let tick = Math.ceil((start - shift) / step) * step + shift; tick <= end; tick += step) ticks.push(tick);
  return ticks;
}

/** Lays each series upon those before it. */
function stacked(all) {
  const sums = new Map();
  return all.map(one => ({
    name: one.name,
    own: one.points,
    points: one.points.map(([time, value]) => {
      const floor = sums.get(time) || 0;
      sums.set(time, floor + value);
      return [time, floor + value, floor];
    }),
  }));
}

function pieces(points, step) {
  const found = [];
  let current = [];
  points.forEach((point, at) => {
    if (at > 0 && point[0] - points[at - 1][0] > step * 1.6) { found.push(current); current = []; }
    current.push(point);
  });
  found.push(current);
  return found;
}

function frame(plot, lines, unit, end) {
  const { width, height, left, bottom, x, y } = plot.frame;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": plot.panel.title });
  for (const value of lines) {
    picture.append(svg("line", { x1: left, x2: width, y1: y(value), y2: y(value), stroke: "var(--grid)" }));
    picture.append(svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, UNITS[unit](value)));
  }
  for (const tick of timeTicks(end - range, end, Math.max(2, Math.floor((width - left) / 80)))) {
    if (x(tick) > width - 18 || x(tick) < left + 10) continue;
    picture.append(svg("line", { x1: x(tick), x2: x(tick), y1: height - bottom, y2: height - bottom + 4, stroke: "var(--line)" }));
    picture.append(svg("text", { x: x(tick), y: height - 3, "text-anchor": "middle" }, clock(tick, range)));
  }
  return picture;
}

function draw(plot) {
  const { panel, all, end, step } = plot;
  const width = Math.max(220, plot.box.clientWidth), height = 170, left = 62, bottom = 18;
  const shown = panel.kind === "stack" ? stacked(all) : all;
  const highest = Math.max(0, ...shown.map(one => Math.max(...one.points.map(point => point[1]))));
  const percent = panel.unit === "ratio" && highest > 0.5 && highest <= 1.0001;
  const lines = percent ? [0, 0.25, 0.5, 0.75, 1] : axis(panel.unit, all, highest);
  const top = lines[lines.length - 1];
  const x = time => left + (time - (end - range)) / range * (width - left);
  const y = value => 6 + (1 - value / top) * (height - bottom - 6);
  plot.frame = { width, height, left, bottom, x, y };
  const picture = frame(plot, lines, panel.unit, end);
  shown.forEach((one, number) => {
    const color = `var(--c${number % 8})`;
    for (const piece of pieces(one.points, step)) {
      const line = piece.map(point => `${x(point[0]).toFixed(1)},${y(point[1]).toFixed(1)}`).join(" ");
      const floor = piece.slice().reverse().map(point => `${x(point[0]).toFixed(1)},${y(point[2] || 0).toFixed(1)}`).join(" ");
      if (panel.kind === "stack" || shown.length === 1) {
        picture.append(svg("polygon", { points: `${line} ${floor}`, fill: color, opacity: panel.kind === "stack" ? 0.45 : 0.14 }));
      }
      if (piece.length === 1) {
        picture.append(svg("circle", { cx: x(piece[0][0]), cy: y(piece[0][1]), r: 2, fill: color }));
      } else {
        picture.append(svg("polyline", { points: line, fill: "none", stroke: color, "stroke-width": 1.6, "stroke-linejoin": "round" }));
      }
    }
  });
  plot.cross = svg("line", { y1: 6, y2: height - bottom, stroke: "var(--muted)", "stroke-dasharray": "3 3", visibility: "hidden" });
  picture.append(plot.cross);
  plot.box.replaceChildren(picture);
  plot.legend.replaceChildren(...all.map((one, number) => el("span", {},
    el("i", { class: "dot", style: `background: var(--c${number % 8})` }), one.name + " ", el("b", {}, figure(plot, one)))));
}

function figure(plot, one) {
  const value = last(plot, one);
  return value === undefined ? "none now" : UNITS[plot.panel.unit](value);
}

function spark(box, panel, one, end, color) {
  const width = Math.max(80, box.clientWidth), height = 34;
  const top = Math.max(...one.points.map(point => point[1])) || 1;
  const line = one.points.map(([time, value]) =>
    `${((time - (end - range)) / range * width).toFixed(1)},${(height - 2 - value / top * (height - 6)).toFixed(1)}`).join(" ");
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
  picture.append(svg("polyline", { points: line, fill: "none", stroke: color, "stroke-width": 1.6, opacity: 0.8 }));
  box.replaceChildren(picture);
}

function nothing(plot, text) {
  plot.all = [];
  plot.legend.replaceChildren();
  plot.box.replaceChildren(el("p", { class: "none" }, text));
}

function show(plot) {
  const { panel, all, end } = plot;
  if (all.length === 0) return nothing(plot, panel.empty);
  if (panel.kind === "number") {
    const value = last(plot, all[0]), name = value === undefined ? "muted" : level(panel.scale, value);
    const box = el("div", { class: "spark" });
    plot.box.replaceChildren(el("div", { class: "number " + name }, figure(plot, all[0])), box);
    return spark(box, panel, all[0], end, `var(--${name})`);
  }
  if (panel.kind === "state") {
    return plot.box.replaceChildren(el("div", { class: "tiles" }, ...all.map(one => {
      const up = one.points[0][1] === 1;
      return el("span", { class: "tile " + (up ? "good" : "bad") }, (up ? "● " : "▲ ") + one.name, el("small", {}, up ? "up" : "down"));
    })));
  }
  draw(plot);
}

// ---- pointing ----

function point(plot, event) {
  if (!plot.frame || plot.all.length === 0) return;
  const area = plot.box.getBoundingClientRect();
  const part = ((event.clientX - area.left) - plot.frame.left) / (plot.frame.width - plot.frame.left);
  if (part < 0 || part > 1) return unpoint();
  const time = plot.end - range + part * range;
  for (const other of plots) {
    if (!other.cross || other.all.length === 0) continue;
    const at = other.frame.x(other.end - range + part * range);
    other.cross.setAttribute("x1", at);
    other.cross.setAttribute("x2", at);
    other.cross.setAttribute("visibility", "visible");
  }
  const lines = plot.all.map((one, number) => {
    const near = one.points.reduce((best, candidate) => Math.abs(candidate[0] - time) < Math.abs(best[0] - time) ? candidate : best);
    const value = Math.abs(near[0] - time) <= plot.step ? UNITS[plot.panel.unit](near[1]) : "none";
    return el("div", {}, el("span", {}, el("i", { class: "dot", style: `background: var(--c${number % 8})` }), one.name), el("b", {}, value));
  });
  const tip = document.getElementById("tip");
  tip.replaceChildren(el("div", { class: "muted" }, (range > 43200 ? clock(time, 1e9) + ", " : "") + clock(time, 0)), ...lines);
  tip.hidden = false;
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
  tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
}

function unpoint() {
  document.getElementById("tip").hidden = true;
  for (const plot of plots) if (plot.cross) plot.cross.setAttribute("visibility", "hidden");
}

// ---- tables ----

function table(id, heads, rows, empty) {
  const place = document.getElementById(id);
  if (rows.length === 0) return place.replaceChildren(el("p", { class: "good" }, empty));
  const body = rows.map(cells => el("tr", {}, ...cells));
  place.replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, ...heads.map(head => el("th", {}, head)))), el("tbody", {}, ...body)));
}

/** A text in which commands stand between backticks. */
function words(text) {
  return text.split("`").map((part, at) => (at % 2 === 1 ? el("code", {}, part) : part));
}

const SEVERITIES = ["critical", "warning", "info"];

async function alerts() {
  const found = (await api("alerts")).alerts;
  const rank = alert => (alert.state === "firing" ? 0 : 10) + (SEVERITIES.indexOf(alert.labels.severity) + 4) % 4;
  found.sort((a, b) => rank(a) - rank(b) || a.labels.alertname.localeCompare(b.labels.alertname));
  table("alerts", ["State", "How bad", "What", "Since"], found.map(alert => {
    const severity = alert.labels.severity || "";
    const color = alert.state !== "firing" || severity === "info" ? "plain" : severity === "warning" ? "warn" : "bad";
    return [
      el("td", { class: "fix " + color }, alert.state === "firing" ? "● firing" : "○ pending"),
      el("td", { class: "fix" }, severity),
      el("td", {}, el("b", {}, alert.annotations.summary || alert.labels.alertname), " ",
        el("span", { class: "muted" }, alert.labels.alertname), el("p", {}, ...words(alert.annotations.description || ""))),
      el("td", { class: "fix" }, ago(alert.activeAt)),
    ];
  }), "No alert fires and none is about to.");
  return found.filter(alert => alert.state === "firing" && alert.labels.severity !== "info").length;
}

async function targets() {
  const found = (await api("targets", { state: "active" })).activeTargets;
  found.sort((a, b) => a.labels.job.localeCompare(b.labels.job));
  table("targets", ["Component", "Address", "State", "Last asked", "Took", "Trouble"], found.map(target => [
    el("td", { class: "fix" }, target.labels.job),
    el("td", { class: "fix" }, target.labels.instance),
    el("td", { class: "fix " + (target.health === "up" ? "good" : target.health === "down" ? "bad" : "plain") }, target.health),
    el("td", { class: "fix" }, ago(target.lastScrape)),
    el("td", { class: "fix" }, seconds(target.lastScrapeDuration || 0)),
    el("td", {}, target.lastError || ""),
  ]), "Prometheus asks nobody yet.");
  return { all: found.length, down: found.filter(target => target.health === "down").length };
}

function verdict(firing, asked) {
  const pill = document.getElementById("verdict");
  const parts = [];
  if (asked.down > 0) parts.push(`${asked.down} of ${asked.all} do not answer`);
  if (firing > 0) parts.push(firing === 1 ? "1 alert fires" : `${firing} alerts fire`);
  pill.className = "pill " + (parts.length > 0 ? "bad" : asked.all > 0 ? "good" : "plain");
  pill.textContent = parts.join(", ") || (asked.all > 0 ? `All ${asked.all} answer, no alert fires` : "Prometheus has just started");
}

// ---- going round ----

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  const trouble = document.getElementById("trouble");
  try {
    verdict(...await Promise.all([alerts(), targets()]));
    const step = Math.max(spec.scrape, range / 240);
    // The same instants each time, so that lines do not tremble.
    const end = Math.floor(Date.now() / 1000 / step) * step;
    for (const plot of plots) {
      await series(plot.panel, end, step).then(
        all => { Object.assign(plot, { all, end, step }); show(plot); },
        error => { if (error instanceof TypeError) throw error; nothing(plot, "Prometheus refuses the question: " + error.message); });
    }
    trouble.hidden = true;
    document.getElementById("clock").textContent = "as of " + clock(Date.now() / 1000, 0);
  } catch (error) {
    trouble.textContent = `Prometheus does not answer (${error.message}). What you see is old; this page goes on asking.`;
    trouble.hidden = false;
  }
  busy = false;
  if (again) { again = false; refresh(); }
}

function build() {
  const ranges = document.getElementById("ranges");
  const press = () => [...ranges.children].forEach((button, at) => button.setAttribute("aria-pressed", RANGES[at][1] === range));
  for (const [name, length] of RANGES) {
    const button = el("button", { type: "button" }, name);
    button.onclick = () => { range = length; history.replaceState(null, "", "#" + length); press(); refresh(); };
    ranges.append(button);
  }
  press();
  for (const row of spec.rows) {
    const grid = el("div", { class: "grid" });
    document.getElementById("alert-card").before(el("section", {}, el("h2", {}, row.title), grid));
    for (const panel of row.panels) {
      const graph = panel.kind === "graph" || panel.kind === "stack";
      const plot = { panel, all: [], box: el("div", { class: graph ? "plot" : "" }), legend: el("div", { class: "legend" }) };
      const asked = panel.queries.map((query, at) =>
        [`g${at}.expr`, query.expr.split("$window").join(spec.window + "s")]).concat(panel.queries.map((_, at) => [`g${at}.tab`, "0"]));
      const link = el("a", { href: base + "/graph?" + new URLSearchParams(asked), title: "Ask Prometheus more" }, "ask ↗");
      const card = el("div", { class: graph ? "panel graph" : "panel", style: `grid-column: span ${panel.width}` },
        el("div", { class: "head" }, el("h3", {}, panel.title), link), el("p", { class: "about muted" }, panel.about), plot.box);
      if (graph) {
        card.append(plot.legend);
        plot.box.addEventListener("pointermove", event => point(plot, event));
        plot.box.addEventListener("pointerleave", unpoint);
      }
      grid.append(card);
      plots.push(plot);
    }
  }
}

build();
refresh();
setInterval(() => { if (!document.hidden) refresh(); }, Math.max(5, spec.scrape) * 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
addEventListener("resize", () => plots.forEach(plot => { if (plot.all.length > 0) show(plot); }));
