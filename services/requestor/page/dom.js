// Makes elements. Text only ever becomes text: nothing on this page is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (`on…` are listeners; null and false are left out) and children. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for a drawing. */
export function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** The element with that id, which the page always has. */
export const byId = (id) => document.getElementById(id);

const PATHS = {
  waiting: "M8 4.5V8l2.5 1.5 M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 1 0 0-12.5",
  running: "M8 1.75a6.25 6.25 0 0 1 6.25 6.25",
  done: "M3 8.5l3.5 3.5L13 4.5",
  failed: "M4 4l8 8M12 4l-8 8",
  cancelled: "M3.5 8h9",
  copy: "M6 5.5V3a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2.5 M3 5.5h6.5a1 1 0 0 1 1 1V13a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V6.500a1 1 0 0 1 1-1z",
  download: "M8 2v8M4.5 7L8 10.500 11.500 7M2.500 13.500h11",
  back: "M10 3L5 8l5 5",
  warning: "M8 2L14.500 13.500H1.500zM8 6.500v3M8 11.500v.2",
};

/** A small picture beside a word; those who listen do not hear it. */
export function icon(name) {
  return draw("svg", { class: `icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    draw("path", { d: PATHS[name] }));
}

/** Tells those who listen. */
export function announce(text) {
  const place = byId("announcer");
  // A reader stays silent when the same text is set again, so it changes by a space that nobody hears.
  place.textContent = place.textContent === text ? `${text}\u00a0` : text;
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
