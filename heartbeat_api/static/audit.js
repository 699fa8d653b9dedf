// the audit pages: a picture becomes one with tooltips on demand, a refresh is followed
import { tick, within } from "./clock.js";

const FOLLOW = 1_000;
const FETCH = 15_000;
let runtime = null;

// ---------------------------------------------------------------- pictures

// the libraries come once, and only for who asks
function drawing() {
  runtime ??= import("/audit/vega.js").then(() => window.vegaEmbed);
  runtime.catch(() => (runtime = null));
  return runtime;
}

// what the table behind the picture says of a mark: its columns, and not what only places the mark
const telling = (rows) => (datum, sanitize) => {
  const columns = new Set((rows ?? []).flatMap((row) => Object.keys(row)));
  const known = Object.entries(datum).filter(([key, value]) => columns.has(key) && value !== null);
  const told = known.length ? known : Object.entries(datum);
  return told
    .map(([key, value]) => [key.replaceAll("_", " "), typeof value === "number" ? value.toLocaleString("en") : value])
    .map((field) => field.map(sanitize))
    .reduce((table, [key, value]) => `${table}<tr><td class="key">${key}</td><td class="value">${value}</td></tr>`, "<table>");
};

async function explore(button) {
  const picture = button.closest("article").querySelector(".picture");
  button.disabled = true;
  button.textContent = "Loading";
  try {
    const [embed, response] = await Promise.all([drawing(), fetch(picture.dataset.spec, { signal: within(FETCH) })]);
    if (!response.ok) throw new Error(response.statusText);
    const { spec, snapshot } = await response.json();
    // the page's own panel is behind the picture, in any theme
    delete spec.config?.background;
    const stage = document.createElement("div");
    // without eval, and without styles of its own: the policy of the page allows neither
    await embed(stage, spec, { actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip: { disableDefaultStyle: true, formatTooltip: telling(snapshot.payload.rows) } });
    picture.replaceChildren(...stage.childNodes);
    picture.classList.add("live");
    button.remove();
  } catch (error) {
    button.disabled = false;
    button.textContent = "Explore: try again";
    button.title = error.message;
  }
}

// ---------------------------------------------------------------- refresh

// a finished one takes the whole cut with it, picture and all; what is opened stays open
function swap(article, fresh) {
  const open = [...article.querySelectorAll("details")].map((each) => each.open);
  fresh.querySelectorAll("details").forEach((each, place) => (each.open ||= open[place]));
  article.replaceWith(fresh);
}

async function follow() {
  const running = document.querySelector(".job[data-running]")?.closest("article");
  if (!running) return;
  try {
    const response = await fetch(location.href, { signal: within(FETCH) });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById(running.id);
    if (fresh) swap(running, fresh);
  } catch {
    // the next look may get through
  }
  setTimeout(follow, FOLLOW);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-explore]");
  if (button) explore(button);
});
setInterval(tick, 1_000);
tick();
setTimeout(follow, FOLLOW);
