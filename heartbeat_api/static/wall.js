// keeps a wall alive: polls, swaps what changed, turns pages of reds, obeys keys
import { keepTime, now, tick, within, write } from "./clock.js";

const POLL = 30_000;
const POLL_JOB = 2_000;
const ABORT = 8_000;
const FIRST_PAGE = 20_000;
const NEXT_PAGE = 12_000;
const PAUSE = 60_000;

const $ = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const reds = () => all(".reds");
const tiles = () => all("[data-k]");
const active = () => document.activeElement;
const elapsed = () => performance.now();
const { body } = document;
const data = body.dataset;

let version = data.version;
let lastGood = now();
let missed = 0;
let timer = 0;
let polling = false;
let again = false;
let refreshing = false;
let pageDue = 0;
let others = 0;

async function poll() {
  if (polling) return void (again = true);
  clearTimeout(timer);
  polling = true;
  again = false;
  try {
    const due = !refreshing || elapsed() >= pageDue;
    const [job, page] = await Promise.all([activeJob(), due && pageOnce()]);
    again ||= !job && !$("progress").hidden;
    showJob(job);
    refreshing = job && job.phase !== "waiting";
    if (page) await apply(page);
    else others = 0;
    if (now() / 1000 > data.reloadAt) await reload();
    lastGood = now();
    missed = 0;
    beat();
  } catch {
    missed += 1;
  }
  polling = false;
  showConnection();
  timer = setTimeout(poll, again ? 0 : delay());
}

function delay() {
  if (missed) return Math.min(120_000, 10_000 * 1.35 ** (missed - 1));
  return $("progress").hidden && !others ? POLL * (0.9 + Math.random() / 5) : POLL_JOB;
}

// the page, or null while it is still the one shown
async function pageOnce() {
  pageDue = elapsed() + POLL;
  const response = await fetch(location.pathname, {
    headers: { "If-None-Match": `W/"${version}"` },
    cache: "no-store",
    signal: within(ABORT),
  });
  // what nobody reads holds the connection
  const text = await response.text();
  if (response.status !== 304 && !response.ok) throw new Error(response.statusText);
  keepTime(response);
  return response.status === 304 ? null : parsed(text);
}

function parsed(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!page.body.dataset.version || !page.querySelector("main > footer")) throw new Error("not a wall");
  for (const part of page.querySelectorAll("noscript")) part.remove();
  return page;
}

async function apply(page) {
  const { build } = page.body.dataset;
  others = build === data.build ? 0 : others + 1;
  if (others) return (await import("./builds.js")).leaves(data.build, build, others) && reload();
  // all at once, at its end
  if (refreshing) return;
  for (const id of ["counts", "notice", "data", "told"]) {
    const [old, fresh] = [$(id), page.getElementById(id)];
    if (old.innerHTML !== fresh.innerHTML) old.replaceChildren(...fresh.childNodes);
  }
  document.title = page.title;
  body.className = page.body.className;
  data.reloadAt = page.body.dataset.reloadAt;
  version = page.body.dataset.version;
  swap(page.querySelector("main"));
}

function swap(main) {
  const focused = active().dataset.k;
  const held = new Map(tiles().map((tile) => [tile.dataset.k, tile]));
  for (const fresh of main.querySelectorAll("[data-k]")) {
    const old = held.get(fresh.dataset.k);
    if (old?.dataset.h === fresh.dataset.h && old.className === fresh.className) fresh.replaceWith(old);
  }
  document.querySelector("main").replaceWith(main);
  tick();
  showPage(Math.min(shown, reds().length - 1));
  if (focused) focus(tiles().find((tile) => tile.dataset.k === focused));
}

async function reload() {
  // while the server is down the last good values would be gone
  const health = await fetch("/healthz", { signal: within(ABORT) });
  if (health.ok) location.reload();
}

function showConnection() {
  const lost = missed >= 2;
  $("connection").hidden = !lost;
  $("lost").dataset.at = lastGood / 1000;
  body.classList.toggle("cut", lost);
  tick();
}

function beat() {
  const name = new URLSearchParams(location.search).get("display")?.slice(0, 60) ?? "";
  const report = { name, page: location.pathname, build: data.build, last_good_poll: new Date(lastGood).toISOString() };
  navigator.sendBeacon("/api/displays/beat", new Blob([JSON.stringify(report)], { type: "application/json" }));
}

// null also while nobody can tell: the numbers do not depend on it
async function activeJob() {
  try {
    const response = await fetch("/api/metrics/active-job", { signal: within(ABORT) });
    return (await response.json()).job ?? null;
  } catch {
    return null;
  }
}

function showJob(job) {
  $("progress").hidden = !job;
  if (!job) return write($("job"), "");
  const { tables, metrics } = job;
  const [done, planned] = [tables.done + metrics.done, tables.planned + metrics.planned];
  [$("progress").max, $("progress").value] = [planned || 1, done];
  const going = `refreshing ${done} of ${planned}${job.schema ? ` · ${job.schema}` : ""}`;
  write($("job"), ` · ${job.phase === "waiting" ? "refresh waits" : going}`);
}

async function refreshAll(event) {
  event.preventDefault();
  const answer = await fetch("/refresh", { method: "POST", redirect: "manual" });
  // an unfollowed redirect has no status
  if (answer.status) write($("job"), ` · ${(await answer.json()).detail}`);
  else poll();
}

let shown = 0;
let turnAt = elapsed() + FIRST_PAGE;

function showPage(number) {
  shown = Math.max(0, number);
  reds().forEach((page, index) => (page.hidden = index !== shown));
  turnPages();
}

function turnPages() {
  const pages = reds();
  if (pages.length < 2) return;
  const left = Math.ceil((turnAt - elapsed()) / 1000);
  if (left <= 0) {
    turnAt = elapsed() + NEXT_PAGE;
    return showPage((shown + 1) % pages.length);
  }
  const dots = pages.map((_, index) => (index === shown ? "●" : "○")).join("");
  write($("paging"), `${pages[shown].childElementCount} of ${all(".t.red").length} red shown · next page in ${left} s ${dots}`);
}

function focus(tile) {
  const page = reds().indexOf(tile?.closest(".reds"));
  if (page >= 0 && page !== shown) showPage(page);
  tile?.focus({ preventScroll: innerWidth > 899 });
}

function beside(step) {
  const places = tiles();
  const at = places.indexOf(active());
  return at < 0 ? places[0] : places[(at + step + places.length) % places.length];
}

// the nearest tile below, or above, the one in focus
function across(down) {
  if (!active().dataset.k) return tiles()[0];
  const from = active().getBoundingClientRect();
  const far = (tile) => {
    const box = tile.getBoundingClientRect();
    const away = down ? box.top - from.bottom : from.top - box.bottom;
    return box.width && away > -2 ? away + Math.abs(box.left + box.right - from.left - from.right) / 8 : Infinity;
  };
  return tiles().filter((tile) => far(tile) < Infinity).sort((a, b) => far(a) - far(b))[0];
}

const moves = {
  ArrowRight: () => beside(1),
  ArrowLeft: () => beside(-1),
  ArrowDown: () => across(true),
  ArrowUp: () => across(false),
};
const tiers = ["red", "amber", "unknown", "ok"];

function key(event) {
  turnAt = Math.max(turnAt, elapsed() + PAUSE);
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (moves[event.key]) {
    event.preventDefault();
    focus(moves[event.key]());
  } else if (tiers[event.key - 1]) {
    focus(tiles().find((tile) => tile.dataset.tier === tiers[event.key - 1]));
  } else if (event.key.toLowerCase() === "r") {
    $("refresh").requestSubmit();
  } else if (["Escape", "Backspace"].includes(event.key) && location.pathname !== "/") {
    location.assign("/");
  }
}

let lastTick = Date.now();

function second() {
  if (Date.now() - lastTick > 5_000) poll(); // the machine slept
  lastTick = Date.now();
  tick();
  turnPages();
}

sessionStorage.wall = location.href;
addEventListener("keydown", key);
addEventListener("online", poll);
addEventListener("pageshow", (event) => event.persisted && poll());
document.addEventListener("visibilitychange", () => document.hidden || poll());
$("refresh").addEventListener("submit", refreshAll);
setInterval(second, 1_000);
showPage(0);
poll();
