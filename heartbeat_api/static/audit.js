// the audit pages: pictures that can be explored, a refresh that is followed
import { tick, within } from "./clock.js";
import "./explore.js";

const FOLLOW = 1_000;
const FETCH = 15_000;

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

setInterval(tick, 1_000);
tick();
setTimeout(follow, FOLLOW);
