// the server's time, by which clocks and ages are told

let offset = Number(document.body.dataset.now) * 1000 - performance.now();

export const now = () => offset + performance.now();

export function keepTime(response) {
  const told = Date.parse(response.headers.get("date"));
  // the header has whole seconds
  if (Math.abs(told + 500 - now()) > 1000) offset = told + 500 - performance.now();
}

// as heartbeat/judgement/wording.py writes it
export function ageText(milliseconds) {
  const minutes = Math.floor(Math.max(0, milliseconds) / 60_000);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 72 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}

// a signal that aborts what takes longer
export function within(milliseconds) {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), milliseconds);
  return abort.signal;
}

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function tick() {
  for (const age of document.querySelectorAll("time[data-at]")) {
    write(age, ageText(now() - Number(age.dataset.at) * 1000));
  }
  const clock = document.querySelector("[data-clock]");
  if (!clock) return;
  const format = { timeZone: clock.dataset.zone, timeStyle: "medium" };
  const text = new Intl.DateTimeFormat("en-GB", format).format(now());
  write(clock.querySelector(".hm"), text.slice(0, 5));
  write(clock.querySelector(".s"), text.slice(5));
}
