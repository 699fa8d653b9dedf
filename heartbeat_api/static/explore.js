// a stored picture becomes one with tooltips on demand, and is there again afterwards
import { within } from "./clock.js";

const FETCH = 15_000;
const stored = new WeakMap();
let runtime = null;

// the libraries come once, and only for who asks
function drawing() {
  runtime ??= import("/audit/vega.js").then(() => window.vegaEmbed);
  runtime.catch(() => (runtime = null));
  return runtime;
}

// ---------------------------------------------------------------- tooltips

const UNITS = { eur: "EUR", usd: "USD", gbp: "GBP", percent: "%", pct: "%", hours: "h", h: "h", minutes: "min", min: "min", seconds: "s", s: "s", days: "d", d: "d" };
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
// names of things, to be found again as they are
const KEPT = new Set(["source", "schema", "table", "column"]);
const CODED = /^[a-z]+(_[a-z0-9]+)+$/;
const MOMENT = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d))?/;

// "median_seconds" as "Median (s)", "client_id" as "Client ID"
function words(key) {
  if (key === "d") return "Day";
  const parts = key.split("_").filter(Boolean);
  const unit = UNITS[parts.at(-1)];
  if (unit && parts.length === 1 && unit.length > 1) return unit;
  if (unit && parts.length > 1) parts.pop();
  const text = parts.join(" ").replace(/\bid\b/, "ID").replace(/\beur\b/, "EUR");
  return text.charAt(0).toUpperCase() + text.slice(1) + (unit && parts.join("_") !== key ? ` (${unit})` : "");
}

const day = (year, month, date, time) => `${Number(date)} ${MONTHS[month - 1]} ${year}${time && time !== "00:00" ? `, ${time}` : ""}`;

// the date and time that the data say, whatever the zone of this screen
function written(key, value, isDate) {
  if (isDate && typeof value === "number") value = new Date(value);
  if (value instanceof Date) return day(value.getFullYear(), value.getMonth() + 1, value.getDate(), value.toTimeString().slice(0, 5));
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return /(^|_)(id|year)$/.test(key) ? String(value) : value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 1 ? 4 : 2 });
  if (CODED.test(value) && !KEPT.has(key)) return words(value);
  const moment = MOMENT.exec(value);
  return moment ? day(...moment.slice(1)) : value;
}

// the columns of the table behind the picture; of a chart that names its tooltips, those names
function facts(datum, columns, dates) {
  const told = (value) => value !== undefined && value !== null && value !== "";
  const known = columns.filter((key) => told(datum[key]));
  if (known.length) return known.map((key) => [words(key), written(key, datum[key], dates.has(key))]);
  return Object.entries(datum).filter(([key, value]) => told(value) && /[^a-z0-9_]/.test(key));
}

const telling = (columns, dates) => (datum, sanitize) => {
  const lines = typeof datum === "object" ? facts(datum, columns, dates) : [["", datum]];
  const cells = lines.map((line) => line.map(sanitize)).map(([key, value]) => `<tr><td class="key">${key}</td><td class="value">${value}</td></tr>`);
  return cells.length ? `<table>${cells.join("")}</table>` : "";
};

function* datesOf(node) {
  if (node === null || typeof node !== "object") return;
  if (node.type === "temporal" && node.field) yield node.field;
  for (const [key, child] of Object.entries(node)) if (key !== "datasets" && key !== "values") yield* datesOf(child);
}

// ---------------------------------------------------------------- there and back

async function draw(picture) {
  const [embed, response] = await Promise.all([drawing(), fetch(picture.dataset.spec, { signal: within(FETCH) }), document.fonts.ready]);
  if (!response.ok) throw new Error(response.statusText);
  const { spec, snapshot } = await response.json();
  const columns = [...new Set((snapshot.payload.rows ?? []).flatMap((row) => Object.keys(row)))];
  // the page's own panel is behind the picture, in any theme
  spec.background = "transparent";
  const stage = document.createElement("div");
  // without eval, and without styles of its own: the policy of the page allows neither
  const tooltip = { disableDefaultStyle: true, formatTooltip: telling(columns, new Set(datesOf(spec))) };
  const { view } = await embed(stage, spec, { actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip });
  return { view, nodes: [...stage.childNodes] };
}

async function explore(button, picture) {
  // not `disabled`: that would take the focus away
  button.setAttribute("aria-busy", "true");
  button.textContent = "Loading";
  try {
    const { view, nodes } = await draw(picture);
    stored.set(picture, { view, nodes: [...picture.childNodes] });
    picture.replaceChildren(...nodes);
    picture.classList.add("live");
    button.textContent = "Back to the picture";
    button.title = "";
  } catch (error) {
    button.textContent = "Explore: try again";
    button.title = error.message;
  }
  button.removeAttribute("aria-busy");
}

function back(button, picture) {
  const { view, nodes } = stored.get(picture);
  view.finalize();
  document.getElementById("vg-tooltip-element")?.classList.remove("visible");
  picture.replaceChildren(...nodes);
  picture.classList.remove("live");
  button.textContent = "Explore";
}

function turn(button) {
  const picture = button.closest("article").querySelector(".picture");
  if (button.hasAttribute("aria-busy")) return;
  if (picture.classList.contains("live")) back(button, picture);
  else explore(button, picture);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-explore]");
  if (button) turn(button);
});
// out of the live picture that one is in, or of the only one
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.target.matches("input")) return;
  const live = [...document.querySelectorAll(".picture.live")];
  const picture = live.find((each) => each.closest("article").contains(event.target)) ?? (live.length === 1 ? live[0] : null);
  const button = picture?.closest("article").querySelector("[data-explore]");
  if (button) turn(button), button.focus();
});
