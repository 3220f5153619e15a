// Progressive enhancement: filter while typing, unfold in place, zoom, live updates, keyboard. Without this script
// everything is readable and every link works.
"use strict";

const root = document.documentElement;
root.classList.add("js");

const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Parses HTML of this server, in which all stored texts are escaped.
function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

// The path of all pages: `/ui`, below the base path of the server.
const pages = find("a.brand").pathname.replace(/\/$/, "");

async function get(address) {
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  if (answer.redirected && new URL(answer.url).pathname === `${pages}/sign-in`) location.reload();
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.text();
}

// Keeps a choice of the reader for a year.
function remember(name, value) {
  document.cookie = `${name}=${value}; Path=${pages}; Max-Age=31536000; SameSite=Strict`;
}

// --- theme -----------------------------------------------------------------------------------------------

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function themeSwitch() {
  const button = make("button", { class: "quiet", type: "button", id: "theme" });
  const show = () => {
    button.textContent = isDark() ? "☀" : "☾";
    button.setAttribute("aria-label", isDark() ? "Light theme" : "Dark theme");
    button.title = button.getAttribute("aria-label");
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember("theme", root.dataset.theme);
    show();
  });
  show();
  find("#who").prepend(button);
}

// --- times -----------------------------------------------------------------------------------------------

// Pages have times in UTC; the switch shows them in the time zone of the browser, and is remembered.
function isLocal() {
  try { return localStorage.getItem("zone") === "local"; } catch { return false; }
}

function zoneName(date) {
  const minutes = -date.getTimezoneOffset();
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""}`;
}

// Rewrites the times of a text such as "2026-11-22 12:00:00 – 12:00:05.402 UTC". A time without a date is of the day
// before it in the text; `day` is that of the first.
function localText(text, day) {
  let [shown, date] = ["", new Date(day ?? Date.now())];
  const two = (number) => String(number).padStart(2, "0");
  text = text.replace(/(?:(\d{4}-\d\d-\d\d) )?\b(\d\d:\d\d:\d\d)(\.\d+)?/g, (all, own, time, fraction = "") => {
    day = own ?? day;
    if (!day) return all;
    date = new Date(`${day}T${time}Z`);
    const local = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    const showsDay = own ? shown !== local : shown && shown !== local;
    shown = local;
    const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
    return `${showsDay ? `${local} ` : ""}${clock}${fraction}`;
  });
  return text.replace(/\bUTC\b/, zoneName(date));
}

function showTimes() {
  const local = isLocal();
  const show = (element, name, text, set) => {
    element.dataset[name] ??= text;
    const utc = element.dataset[name];
    set(local ? localText(utc, element.getAttribute("datetime")?.slice(0, 10)) : utc);
  };
  for (const element of all(".utc")) show(element, "utc", element.textContent, (text) => { element.textContent = text; });
  for (const element of all("[title*=' UTC']")) show(element, "utcTitle", element.title, (text) => { element.title = text; });
  for (const element of all("[data-utc-title]")) show(element, "utcTitle", element.title, (text) => { element.title = text; });
  for (const element of all(".scatter title")) show(element, "utc", element.textContent, (text) => { element.textContent = text; });
}

function zoneSwitch() {
  const button = make("button", { class: "quiet", type: "button", id: "zone" });
  const show = () => {
    button.textContent = isLocal() ? zoneName(new Date()) : "UTC";
    button.title = isLocal() ? "Times are local. Show them in UTC" : "Times are in UTC. Show them in local time";
    button.setAttribute("aria-label", button.title);
    showTimes();
  };
  button.addEventListener("click", () => {
    try { localStorage.setItem("zone", isLocal() ? "utc" : "local"); } catch { /* without storage there is only UTC */ }
    show();
  });
  find("#who").prepend(button);
  show();
}

// --- parts of pages --------------------------------------------------------------------------------------

// Filters a list on the server while the reader types (debounced).
function liveFilter(form) {
  const target = form.dataset.liveFilter;
  const input = find("input", form);
  let asked = 0;
  let timer = 0;
  const run = async () => {
    const address = new URL(location.href);
    address.searchParams.delete("at");
    if (input.value) address.searchParams.set(input.name, input.value); else address.searchParams.delete(input.name);
    const mine = ++asked;
    try {
      const page = parsed(await get(address));
      if (mine !== asked) return;
      find(target).replaceWith(find(target, page));
      history.replaceState(null, "", address);
    } catch { /* what is shown stays */ }
  };
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(run, 120); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); run(); });
}

// Reloads one part of an execution's page, by the query of `address`.
async function loadPart(part, address, push = true) {
  const at = new URL(address, location.href);
  const html = parsed(await get(`${at.pathname}/${part}${at.search}`));
  find(`#${part}`).replaceWith(find(`#${part}`, html));
  at.hash = "";
  if (push) history.pushState(null, "", at);
  if (part === "timeline") drawZoom();
  arrived();
  pending = [];
}

// Prepares what has come from the server: the copy buttons and the times.
function arrived() {
  showCopyButtons();
  showTimes();
}

// --- events ----------------------------------------------------------------------------------------------

const showCopyButtons = () => all(".copy[hidden]").forEach((button) => { button.hidden = false; });
const rowOf = (id) => find(`#events tr.event[data-id="${Number(id)}"]`);
const isOpen = (row) => row.nextElementSibling?.classList.contains("unfolded") ?? false;

function rememberEvent(id) {
  const here = new URL(location.href);
  if (id) here.searchParams.set("event", id); else here.searchParams.delete("event");
  // Keeps the list at the same EventId for the reader who opens this URL.
  const first = find("#events tr.event");
  if (first && !here.searchParams.has("at")) here.searchParams.set("at", first.dataset.id);
  if (!id && here.searchParams.get("at") === first?.dataset.id) here.searchParams.delete("at");
  here.hash = "";
  history.replaceState(null, "", here);
}

function fold(row) {
  row.nextElementSibling.remove();
  find(".toggle", row).setAttribute("aria-expanded", "false");
  rememberEvent(null);
}

async function unfold(row) {
  const toggle = find(".toggle", row);
  toggle.setAttribute("aria-expanded", "true");
  const cell = make("td", { colspan: "7" });
  const below = make("tr", { class: "unfolded", "data-of": row.dataset.id }, cell);
  row.after(below);
  rememberEvent(row.dataset.id);
  try {
    cell.append(parsed(await get(`${location.pathname}/events/${row.dataset.id}`)));
    arrived();
  } catch (fault) {
    cell.textContent = `It could not be read: ${fault.message}`;
  }
}

// Shows an event, on whichever page of the list it is; Escape returns the focus to `from`.
let cameFrom = null;
async function showEvent(id, from = null) {
  if (!rowOf(id)) {
    const address = new URL(location.href);
    for (const name of ["at", "type", "step"]) address.searchParams.delete(name);
    address.searchParams.set("event", id);
    await loadPart("events", address);
  }
  const row = rowOf(id);
  if (!row) return;
  if (!isOpen(row)) unfold(row);
  cameFrom = from;
  row.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
  find(".toggle", row).focus({ preventScroll: true });
  row.classList.add("hit");
  setTimeout(() => row.classList.remove("hit"), 1600);
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

async function copied(button) {
  if (button.dataset.copyText) return find(`#${button.dataset.copyText}`).textContent;
  const bytes = await (await fetch(button.dataset.copy)).arrayBuffer();
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

async function copy(button) {
  const text = await copied(button);
  try {
    await navigator.clipboard.writeText(text);
  } catch { // without HTTPS there is no clipboard but this one
    const area = make("textarea", { class: "vh" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

document.addEventListener("click", (event) => {
  for (const menu of all(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const target = event.target.closest("a, button, tr.event, g.row");
  if (!target) return;
  if (target.matches(".copy")) return void copy(target);
  if (target.matches(".fresh button")) return void showPending();
  if (target.dataset.zoom === "0") return zoomTo(0, 1);
  if (target.dataset.zoom) return zoomBy(Number(target.dataset.zoom));
  if ("keys" in target.dataset) return help();
  const row = target.closest("#events tr.event");
  if (row && (target === row || target.matches(".toggle"))) {
    if (String(getSelection())) return; // the reader selects text
    event.preventDefault();
    return void (isOpen(row) ? fold(row) : unfold(row));
  }
  if (target.matches("g.row")) {
    if (!dragged) find(`.labels a[data-row="${target.dataset.row}"]`)?.click();
    return;
  }
  const failed = () => { location.href = target.href; };
  if (target.dataset.part) {
    event.preventDefault();
    const hash = new URL(target.href).hash;
    loadPart(target.dataset.part, target.href)
      .then(() => { if (hash) find(hash)?.scrollIntoView(); })
      .catch(failed);
  } else if (target.dataset.event && find("#events")) {
    event.preventDefault();
    showEvent(target.dataset.event, target.dataset.row ?? null).catch(failed);
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("events" in form.dataset)) return;
  event.preventDefault();
  const address = new URL(location.href);
  for (const name of ["at", "event", "type", "step", "order"]) address.searchParams.delete(name);
  for (const [name, value] of new FormData(form)) if (value) address.searchParams.set(name, value);
  const id = address.searchParams.get("event");
  loadPart("events", address)
    .then(() => { if (id) showEvent(id); })
    .catch(() => form.submit());
});

addEventListener("popstate", () => location.reload());

// --- timeline --------------------------------------------------------------------------------------------

let zoom = [0, 1];
let dragged = false;

// The rules of `duration` in text.rs: two units at most, rounded.
function duration(millis) {
  const two = (number) => String(number).padStart(2, "0");
  const ms = Math.max(0, Math.round(millis));
  const [s, m, h] = [1e3, 6e4, 36e5].map((unit) => Math.round(ms / unit));
  if (ms < 1000) return `${ms} ms`;
  if (ms < 9995) return `${(Math.round(ms / 10) / 100).toFixed(2)} s`;
  if (ms < 59950) return `${(Math.round(ms / 100) / 10).toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (m < 1440) return `${Math.floor(m / 60)} h ${two(m % 60)} min`;
  return `${Math.floor(h / 24)} d ${two(h % 24)} h`;
}

// The rules of `tick` in text.rs: exact, without units that are zero.
function tickLabel(millis) {
  if (millis > 1e3 && millis < 6e4) return `${millis / 1e3} s`;
  const words = [];
  let rest = millis;
  for (const [unit, name] of [[864e5, "d"], [36e5, "h"], [6e4, "min"], [1e3, "s"], [1, "ms"]]) {
    if (rest >= unit) words.push(`${Math.floor(rest / unit)} ${name}`);
    rest %= unit;
  }
  return words.join(" ") || "0";
}

// The steps of `tick_step` in text.rs.
const UNITS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500,
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * 1e3),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 6e4),
  ...[1, 2, 3, 6, 12].map((hours) => hours * 36e5),
  ...[1, 2, 7, 14, 30, 90, 365, 3650].map((days) => days * 864e5),
];

function drawn(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

// Zooms: widens the SVG and moves it. All positions in it are percentages of its width.
function drawZoom() {
  const timeline = find("#timeline");
  if (!timeline) return;
  const [from, to] = zoom;
  const share = to - from;
  for (const drawing of all(".zoom", timeline)) {
    drawing.setAttribute("x", `${(-100 * from) / share}%`);
    drawing.setAttribute("width", `${100 / share}%`);
  }
  const selection = find(".selection", timeline);
  selection?.setAttribute("x", `${from * 100}%`);
  selection?.setAttribute("width", `${share * 100}%`);
  if (share === 1 && !timeline.classList.contains("zoomed")) return;
  timeline.classList.toggle("zoomed", share < 1);
  const whole = Number(timeline.dataset.millis);
  const unit = UNITS.find((unit) => (whole * share) / unit <= 8) ?? UNITS.at(-1);
  const [ticks, lines] = [find(".ticks", timeline), find(".lines", timeline)];
  ticks.replaceChildren();
  lines.replaceChildren();
  for (let at = Math.ceil((whole * from) / unit) * unit; at <= whole * to; at += unit) {
    const x = `${(100 * at) / whole}%`;
    const anchor = at === 0 ? "start" : (at / whole - from) / share < 0.96 ? "middle" : "end";
    ticks.append(drawn("text", { x, y: 14, "text-anchor": anchor }, tickLabel(at)));
    lines.append(drawn("line", { x1: x, x2: x, y1: 0, y2: "100%" }));
  }
}

function zoomTo(from, to) {
  const share = Math.min(1, Math.max(1e-5, to - from));
  const begin = Math.min(1 - share, Math.max(0, from));
  zoom = [begin, begin + share];
  drawZoom();
}

function zoomBy(factor) {
  const [from, to] = zoom;
  const [middle, half] = [(from + to) / 2, ((to - from) / 2) * factor];
  zoomTo(middle - half, middle + half);
}

// Dragging over the overview or the bars zooms to the selection; a double click resets it.
document.addEventListener("pointerdown", (down) => {
  const area = down.target.closest?.("#timeline .overview, #timeline .plot");
  if (!area || down.button) return;
  const box = area.getBoundingClientRect();
  const [base, width] = area.matches(".overview") ? [0, 1] : [zoom[0], zoom[1] - zoom[0]];
  const place = (event) => base + width * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  dragged = false;
  const up = (event) => {
    removeEventListener("pointerup", up);
    if (Math.abs(event.clientX - down.clientX) < 5) return;
    dragged = true;
    setTimeout(() => { dragged = false; });
    zoomTo(Math.min(place(down), place(event)), Math.max(place(down), place(event)));
  };
  addEventListener("pointerup", up);
});
document.addEventListener("dblclick", (event) => {
  if (event.target.closest("#timeline .overview, #timeline .plot")) zoomTo(0, 1);
});

// The tooltip of the row under the pointer or with the focus.
const tip = make("div", { id: "tip", role: "tooltip", hidden: "" });
function showTip(anchor, text) {
  const label = anchor && find(`.labels a[data-row="${anchor.dataset.row}"]`);
  all("#timeline .on").forEach((element) => element.classList.remove("on"));
  tip.hidden = !label;
  if (!label) return;
  label.parentElement.classList.add("on");
  find(`#timeline g.row[data-row="${anchor.dataset.row}"]`)?.classList.add("on");
  const title = text || label.dataset.title;
  tip.textContent = isLocal() ? localText(title) : title;
  const box = label.getBoundingClientRect();
  const below = box.bottom + tip.offsetHeight + 8 < innerHeight;
  tip.style.left = `${Math.max(8, Math.min(box.left + 24, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${below ? box.bottom + 2 : box.top - tip.offsetHeight - 2}px`;
}
document.addEventListener("focusin", (event) => showTip(event.target.closest?.(".labels a[data-row]")));
document.addEventListener("pointerover", (event) => {
  const anchor = event.target.closest?.(".labels a[data-row], g.row");
  const title = anchor && find(":scope > title", event.target);
  if (title) { // the browser would show it a second time
    event.target.dataset.title = title.textContent;
    title.remove();
  }
  if (anchor?.matches("g.row")) return showTip(anchor, event.target.dataset.title);
  if (anchor || !document.activeElement?.closest(".labels")) showTip(anchor);
});
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// --- keys ------------------------------------------------------------------------------------------------

const KEYS = [
  ["↑ ↓", "previous or next row"], ["Enter", "open"], ["Esc", "close; back to the timeline"],
  ["f", "next failure"], ["/", "filter"], ["+ − 0", "zoom in, out, reset; or drag over the bars"], ["← →", "move when zoomed"],
  ["?", "this list"],
];

function help() {
  let dialog = find("#keys");
  if (!dialog) {
    const rows = KEYS.map(([key, what]) => make("tr", {}, make("td", {}, make("kbd", {}, key)), make("td", {}, what)));
    dialog = make("dialog", { id: "keys", "aria-label": "Keys" }, make("h2", {}, "Keys"), make("table", {}, ...rows));
    dialog.addEventListener("click", () => dialog.close());
    document.body.append(dialog);
  }
  if (dialog.open) dialog.close(); else dialog.showModal();
}

function step(direction) {
  const focused = document.activeElement;
  const inEvents = focused?.closest("#events");
  const stops = all(inEvents ? "#events .toggle" : find("#timeline") ? ".labels a" : "table.rows .name");
  const next = stops[stops.indexOf(focused) + direction] ?? (focused && stops.includes(focused) ? null : stops[0]);
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function nextFailure() {
  const failures = all("#timeline .labels li.failed > a, #timeline .labels li.timedout > a");
  const at = failures.indexOf(document.activeElement);
  const next = failures[(at + 1) % failures.length] ?? find("#events tr.failed .toggle");
  next?.focus();
  next?.scrollIntoView({ block: "center" });
}

function escape() {
  const menu = find(".menu[open]");
  if (menu) {
    menu.open = false;
    return find("summary", menu).focus();
  }
  const open = find("#events tr.unfolded");
  if (open) {
    const row = rowOf(open.dataset.of);
    fold(row);
    const back = cameFrom && find(`.labels a[data-row="${cameFrom}"]`);
    (back ?? find(".toggle", row)).focus();
    back?.scrollIntoView({ block: "center" });
    cameFrom = null;
  } else {
    document.activeElement?.blur();
  }
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return escape();
  if (typing) return;
  const pan = (zoom[1] - zoom[0]) / 4;
  const actions = {
    ArrowDown: () => step(1), ArrowUp: () => step(-1), f: nextFailure, "?": help,
    "/": () => find("[data-key='/']")?.focus(),
    "+": () => zoomBy(0.5), "=": () => zoomBy(0.5), "-": () => zoomBy(2), 0: () => zoomTo(0, 1),
  };
  if (zoom[1] - zoom[0] < 1) {
    actions.ArrowLeft = () => zoomTo(zoom[0] - pan, zoom[1] - pan);
    actions.ArrowRight = () => zoomTo(zoom[0] + pan, zoom[1] + pan);
  }
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

// --- live updates ------------------------------------------------------------------------------------------------

let pending = [];
const PAGE = 100;

// Whether the reader is busy with rows, so that they must not move.
function isReading() {
  const table = find("#events table");
  return !!find("#events tr.unfolded") || (table && table.getBoundingClientRect().top < -40);
}

function showPending() {
  const section = find("#events");
  const body = find("tbody", section);
  const newest = section.dataset.newest === "true";
  if (!body) return void loadPart("events", location.href, false);
  for (const row of pending.sort((a, b) => a.dataset.id - b.dataset.id)) {
    row.classList.add("new");
    if (newest) body.prepend(row); else if (all("tr.event", body).length < PAGE) body.append(row);
  }
  pending = [];
  if (newest) all("tr.event", body).slice(PAGE).forEach((row) => row.remove());
  find(".fresh", section).hidden = true;
  showTimes();
  if (section.dataset.matches) return; // shown already
  const ids = all("tr.event", body).map((row) => Number(row.dataset.id).toLocaleString("en"));
  const total = Number(section.dataset.last).toLocaleString("en");
  find(".range", section).textContent = `${ids[0]} – ${ids.at(-1)} of ${total}`;
}

let announced = 0;
function announce(row) {
  if (Date.now() - announced < 5000) return;
  announced = Date.now();
  find("#announce").textContent = `Event ${row.dataset.id}: ${find(".type", row).textContent} ${find(".stepname", row).textContent}`;
}

function takeNews(html) {
  const news = parsed(html);
  const focused = document.activeElement?.dataset.row;
  find("#summary").replaceWith(find("#summary", news));
  const grid = find("#timeline .grid");
  const top = grid.scrollTop;
  const atBottom = grid.scrollHeight - grid.clientHeight - top < 30;
  find("#timeline").replaceWith(find("#timeline", news));
  const grown = find("#timeline .grid");
  grown.scrollTop = atBottom ? grown.scrollHeight : top;
  drawZoom();
  if (focused) find(`.labels a[data-row="${focused}"]`)?.focus({ preventScroll: true });
  const section = find("#events");
  const last = Number(section.dataset.last);
  const rows = all("#news tr.event", news).filter((row) => Number(row.dataset.id) > last);
  const { last: latest, matches } = find("#news", news).dataset;
  section.dataset.last = latest;
  if (matches) {
    section.dataset.matches = matches;
    find(".range", section).textContent = matches;
  }
  for (const id of ["types", "steps"]) find(`#${id}`).replaceWith(find(`#${id}`, news));
  showTimes();
  const glyph = find("#summary .big [aria-hidden]").textContent;
  document.title = document.title.replace(/^\S+/, glyph);
  if (!rows.length) return;
  announce(rows[0]);
  if (section.dataset.atEnd !== "true") return;
  pending.push(...rows);
  pending = pending.slice(-PAGE);
  if (!isReading()) return showPending();
  const fresh = find(".fresh", section);
  fresh.hidden = false;
  find("button", fresh).textContent = `Show ${pending.length} new event${pending.length === 1 ? "" : "s"}`;
}

function follow(note) {
  let source = null;
  let timer = 0;
  let over = false;
  const say = (text, state) => { note.textContent = text; note.dataset.state = state; };
  const connect = () => {
    clearTimeout(timer);
    const address = new URL(note.dataset.live, location.href);
    address.searchParams.set("after", find("#events").dataset.last);
    source = new EventSource(address);
    source.addEventListener("open", () => say("Live", "live"));
    source.addEventListener("news", (event) => takeNews(event.data));
    source.addEventListener("end", (event) => {
      takeNews(event.data);
      over = true;
      source.close();
      find(".menu.stop")?.remove();
      say("The execution has ended.", "over");
    });
    source.addEventListener("bye", () => { over = true; source.close(); say("The session has ended. Sign in again for live updates.", "lost"); });
    source.addEventListener("error", () => {
      if (over) return;
      // CLOSED means that the server answered with an error: too many requests, or no session. Otherwise the browser
      // reconnects by itself.
      const refused = source.readyState === EventSource.CLOSED;
      say(refused ? "Too many requests: no live updates. Trying again in 15 s…" : "Connection lost. Reconnecting…", "lost");
      if (refused) timer = setTimeout(connect, 15000);
    });
  };
  // Browsers open few connections to one server, so a hidden tab closes its own.
  document.addEventListener("visibilitychange", () => {
    if (over) return;
    if (document.hidden) { source?.close(); clearTimeout(timer); } else connect();
  });
  connect();
}

// Counts running durations by the server's clock.
function tick() {
  const skew = Number(document.body.dataset.now) - Date.now();
  setInterval(() => {
    if (document.hidden) return;
    for (const element of all("[data-since]")) {
      element.textContent = duration(Date.now() + skew - Number(element.dataset.since)).replace(/\.\d+ s$/, " s");
    }
  }, 1000);
}

// --- lists that refresh themselves -----------------------------------------------------------------------

const REFRESH_MS = 5000;
const AFTER_ERROR_MS = 30000;

// When the reader last did something, and how long after that the list may move again.
const QUIET_MS = 3000;
let touched = 0;
for (const kind of ["pointermove", "pointerdown", "keydown", "scroll"]) {
  addEventListener(kind, () => { touched = Date.now(); }, { passive: true, capture: true });
}

// Whether the reader is busy with the list, so that its rows must not move.
const isInUse = (list) =>
  Date.now() - touched < QUIET_MS || !!String(getSelection()) || list.getBoundingClientRect().top < -40;

// What a list says, without ages and durations, which change all the time.
function said(list) {
  const copy = list.cloneNode(true);
  all("time, title, [data-since]", copy).forEach((element) => element.remove());
  const links = all("a, circle", copy).map((element) => element.getAttribute("class") + element.getAttribute("href"));
  return copy.textContent + links.join();
}

function replaceList(list, fresh) {
  const keyOf = (link) => link.getAttribute("class") + link.getAttribute("href");
  const focused = list.contains(document.activeElement) && keyOf(document.activeElement);
  list.replaceWith(fresh);
  showTimes();
  if (focused) all("a", fresh).find((link) => keyOf(link) === focused)?.focus({ preventScroll: true });
}

function refreshList(link) {
  const note = link.nextElementSibling;
  const automatic = make("input", { type: "checkbox" });
  automatic.checked = !document.cookie.split("; ").includes("refresh=off");
  link.after(" ", make("label", { class: "muted" }, automatic, ` every ${REFRESH_MS / 1000} s`));
  let timer = 0;
  const run = async (asked) => {
    let pause = REFRESH_MS;
    const address = location.href;
    try {
      const fresh = find(link.dataset.refresh, parsed(await get(address)));
      const list = find(link.dataset.refresh);
      const changed = said(fresh) !== said(list);
      const now = new Date().toISOString().slice(11, 19);
      if (location.href !== address) { /* the filter has changed meanwhile */
      } else if (asked || !isInUse(list)) {
        replaceList(list, fresh);
        if (asked || changed) note.textContent = `${changed ? "Changed" : "No change"} at ${now} UTC`;
      } else if (changed) {
        note.textContent = "There are changes; refresh to see them";
      }
    } catch (fault) {
      pause = AFTER_ERROR_MS;
      note.textContent = `Not refreshed: ${fault.message}`;
    }
    clearTimeout(timer); // of another run meanwhile
    timer = setTimeout(runIfVisible, pause);
  };
  const runIfVisible = () => { if (automatic.checked && !document.hidden) run(false); };
  link.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    run(true);
  });
  automatic.addEventListener("change", () => {
    remember("refresh", automatic.checked ? "on" : "off");
    runIfVisible();
  });
  document.addEventListener("visibilitychange", runIfVisible);
  timer = setTimeout(runIfVisible, REFRESH_MS);
}

themeSwitch();
zoneSwitch();
all("a[data-refresh]").forEach(refreshList);
document.body.append(tip);
showCopyButtons();
all("form[data-live-filter]").forEach(liveFilter);
const note = find("#live");
if (note) follow(note);
tick();
// The server cannot know whether a proxy speaks HTTPS to the browser.
const endpoint = find(".endpoint");
if (endpoint) endpoint.textContent = endpoint.textContent.replace(/^http:/, location.protocol);
