// the page behind a tile: forms save in place, a refresh is followed, keys lead on and back
import { tick, within } from "./clock.js";

const FOLLOW = 1_000;
const IDLE = 60_000;
const TYPING = 300;
const $ = (id) => document.getElementById(id);
const wall = sessionStorage.wall;

// ---------------------------------------------------------------- forms

async function shown(address, options) {
  const response = await fetch(address, { ...options, signal: within(15_000) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!page.querySelector("main.metric")) throw new Error(response.statusText);
  for (const part of page.querySelectorAll("noscript")) part.remove();
  return { page, response };
}

// the new page in place of the old one; what is typed elsewhere, and the focus, stay
function swap(page, sent) {
  const [focused, open] = [document.activeElement?.id, $("edit")?.open];
  for (const field of document.querySelectorAll("main input:not([type=hidden])")) {
    const fresh = page.getElementById(field.id);
    if (fresh && !sent?.contains(field) && field.value !== field.defaultValue) fresh.value = field.value;
  }
  document.querySelector("main").replaceWith(page.querySelector("main"));
  document.title = page.title;
  if (open) $("edit")?.setAttribute("open", "");
  if (focused) $(focused)?.focus({ preventScroll: true });
  settle();
}

async function send(event) {
  const form = event.target;
  event.preventDefault();
  // leaving a field with Enter both changes it and submits
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  const tries = event.submitter?.formMethod === "get";
  try {
    const { page, response } = tries
      ? await shown(`${location.pathname}?${fields}`)
      : await shown(form.action, { method: "POST", body: fields });
    swap(page, tries ? null : form);
    if (response.redirected) history.replaceState(null, "", response.url);
  } catch (error) {
    refuse(`Not saved: ${error.message || "no connection"}. Try again.`);
  }
  delete form.dataset.busy;
}

function refuse(text) {
  const refusal = $("refusal") ?? document.querySelector("aside").insertAdjacentElement("afterbegin", document.createElement("p"));
  Object.assign(refusal, { id: "refusal", className: "refusal", role: "alert", textContent: text });
}

let typing = 0;

function typed(event) {
  if (!event.target.closest("#lines")) return;
  clearTimeout(typing);
  const mine = (typing = setTimeout(async () => {
    const fields = new URLSearchParams(new FormData($("lines")));
    const { page } = await shown(`${location.pathname}?${fields}`);
    // what was typed since asks again
    if (mine === typing) $("backtest").replaceChildren(...page.getElementById("backtest").childNodes);
  }, TYPING));
}

function settle() {
  if (wall) $("back").href = wall;
  tick();
  follow();
}

// ---------------------------------------------------------------- refresh

let following = 0;

function follow() {
  clearTimeout(following);
  if (!$("job").hasAttribute("data-running")) return;
  following = setTimeout(async () => {
    try {
      swap((await shown(location.href)).page);
    } catch {
      follow();
    }
  }, FOLLOW);
}

// ---------------------------------------------------------------- keys

let idle = 0;
const back = () => location.assign(wall ?? "/");
const typedSomething = () => [...document.querySelectorAll("main input")].some((field) => field.value !== field.defaultValue);

// opened from a wall that nobody may be standing at any more
function awake() {
  clearTimeout(idle);
  if (wall) idle = setTimeout(() => (typedSomething() ? awake() : back()), IDLE);
}

const keys = {
  ArrowLeft: () => $("previous").click(),
  ArrowRight: () => $("following").click(),
  Escape: back,
  Backspace: back,
  r: () => $("refresh")?.requestSubmit(),
};

function key(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.matches?.("input")) {
    if (event.key !== "Escape") return;
    event.target.value = event.target.defaultValue;
    event.target.blur();
    return;
  }
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
}

document.addEventListener("submit", send);
document.addEventListener("input", typed);
document.addEventListener("change", (event) => event.target.matches("[data-saves]") && event.target.form.requestSubmit());
addEventListener("keydown", key);
for (const sign of ["keydown", "pointermove", "pointerdown", "scroll"]) addEventListener(sign, awake, { passive: true });
setInterval(tick, 1_000);
awake();
settle();
