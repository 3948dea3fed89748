// Keeps the page true: takes what the stream says and hands it to htmx.

import { inHand } from "./choices.js";
import "./schedule.js";
import * as texts from "./texts.js";

const subject = document.body.dataset.streamJob ?? ("streamDashboard" in document.body.dataset ? "dashboard" : null);
const SILENCE_MS = 25000;
const held = new Map();
const messages = document.getElementById("flash");
const panel = document.querySelector(".panel .now");
let refusals = 0; // of what goes in turn
let awaited; // the action whose button had the keyboard last
let ticking;
// A stream that is about to open tells all that an answer could, and may do so before it.
let streaming = subject !== null;
let signingOut = false;

/** A script may be lost on its way, as when a laptop changes its network; without htmx nothing of the page works. */
while (!("htmx" in window)) {
  const { src } = document.querySelector("script[defer]");
  const again = Object.assign(document.createElement("script"), { src });
  await new Promise((tried) => {
    again.onload = tried;
    again.onerror = () => setTimeout(tried, 1000);
    document.head.append(again);
  });
}

/** A select that is in hand, or a field being typed in, is never replaced. */
function isInHand(region) {
  const focused = document.activeElement;
  return region.contains(inHand) || (region.contains(focused) && focused.matches("textarea, input:not([type=checkbox])"));
}

/** A morph changes attributes; what a control shows is a property. */
function showRendered(region) {
  for (const option of region.querySelectorAll("option")) option.selected = option.defaultSelected;
  for (const box of region.querySelectorAll("input[type=checkbox]")) box.checked = box.defaultChecked;
}

/** The action whose button in a region has the keyboard, or had it when the button went. */
function actionAt(region) {
  const focused = document.activeElement;
  if (focused === panel) return awaited;
  return region.contains(focused) ? focused.dataset.action : undefined;
}

/** The keyboard waits beside a button that is away: at another one, Enter would press that. */
function returnTo(action, region) {
  const focused = document.activeElement;
  if (![document.body, panel].includes(focused) && !region.contains(focused)) return;
  awaited = action;
  const button = document.querySelector(`[data-action="${action}"]:not(:disabled)`);
  if (!button) waitBeside();
  else if (button !== focused) button.focus({ preventScroll: true });
}

/** Only while the keyboard is there: else each click into it would bring it. */
function waitBeside() {
  if (panel === document.activeElement) return;
  panel.tabIndex = -1;
  panel.focus({ preventScroll: true });
  panel.addEventListener("blur", () => panel.removeAttribute("tabindex"), { once: true });
}

/** "REGION/ID" is the whole element of that id in a region. */
async function swap(name, html) {
  const [within, part] = name.split("/");
  const region = document.getElementById(part ?? `region-${within}`);
  if (!region) return;
  if (isInHand(region)) {
    held.set(name, html);
    return;
  }
  held.delete(name);
  const action = actionAt(region);
  // A line of the list has nothing to preserve, and there may be hundreds: a morph takes ten times as long.
  if (region.matches(".jobs > li") && !region.contains(document.activeElement)) region.innerHTML = html;
  else await htmx.swap({ target: region, text: html, swap: part ? "outerMorph" : "innerMorph" });
  showRendered(region);
  if (action) returnTo(action, region);
  // Once for all the regions of a message.
  clearTimeout(ticking);
  ticking = setTimeout(() => document.dispatchEvent(new Event("devmode:tick")));
}

function receive({ title, regions, picture }) {
  if (title) document.title = title;
  if (regions && "order" in regions) document.dispatchEvent(new CustomEvent("devmode:order", { detail: regions.order }));
  for (const [name, html] of Object.entries(regions ?? {})) swap(name, html);
  if (picture) document.dispatchEvent(new CustomEvent("devmode:picture", { detail: picture }));
}

function letGo() {
  const waiting = [...held];
  held.clear();
  for (const [name, html] of waiting) swap(name, html);
}

for (const end of ["focusout", "decided"]) document.addEventListener(end, () => setTimeout(letGo));

document.addEventListener("htmx:after:swap", () => {
  const settings = document.getElementById("region-settings");
  if (settings && !isInHand(settings)) showRendered(settings);
});

/** The button or control by which a request steers the job. */
function pressed({ sourceElement, request }) {
  return sourceElement.closest(".steering") && (request.submitter ?? sourceElement);
}

// What was pressed looks so at once, also while it waits for what was pressed before it; pressed
// again, a button asks nothing more.
document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  const control = pressed(ctx);
  if (ctx.request.submitter && control?.classList.contains("pressed")) event.preventDefault();
  control?.classList.add("pressed");
  ctx.refusals = refusals;
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => pressed(ctx)?.classList.remove("pressed"));

const goesInTurn = (ctx) => ctx?.sourceElement.closest("#steer, #settings");

// Who sets something and resumes does not want the one without the other.
document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (goesInTurn(ctx) && ctx.refusals < refusals) event.preventDefault();
});
for (const refusal of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(refusal, ({ detail: { ctx } }) => { if (goesInTurn(ctx)) refusals += 1; });
}

/** A request that got no answer may have arrived all the same: what was told last is what is known. */
function tellUnanswered({ sourceElement, request }) {
  const setting = sourceElement.closest(".setting");
  if (setting) showRendered(setting);
  const shown = subject ? " Once it does, this page shows what came of it." : " Nothing on this page is lost: try again.";
  const outlook = request.method === "GET" ? "" : shown;
  const message = Object.assign(document.createElement("p"), { className: "message error", textContent: `devmode did not answer.${outlook}` });
  messages.replaceChildren(message);
}

// An error beside a text, or without a request, is none of the network.
document.addEventListener("htmx:error", ({ detail: { ctx } }) => ctx && !("text" in ctx) && tellUnanswered(ctx));

// What a proxy says in devmode's place is a page of its own.
document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.response.status < 502 || ctx.text.includes("<hx-partial")) return;
  event.preventDefault();
  tellUnanswered(ctx);
});

// What changes comes by the stream, in order: the answer to a form may be overtaken by it.
document.addEventListener("htmx:config:request", ({ detail }) => {
  if (streaming) detail.ctx.request.headers["Devmode-Stream"] = "open";
});

// The tab that signs out is taken along by its own form: a second navigation beside it crashed Chromium's renderer now and then.
document.querySelector("form.who")?.addEventListener("submit", () => { signingOut = true; });

const told = {
  message: receive,
  text: texts.receive,
  state: (connected) => {
    streaming = connected;
    document.getElementById("stream-state").hidden = connected;
  },
  "signed-out": () => signingOut || location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`),
};

let port = null; // to the shared worker

/** One stream per browser: its tabs share a worker that holds it. */
function share() {
  const worker = new SharedWorker("/static/stream-worker.js", "devmode");
  const lost = () => told.state(false);
  const unheard = setTimeout(lost, SILENCE_MS);
  port = worker.port;
  const answers = { ...told, ping: () => port.postMessage(["pong"]), forgotten: watch };
  port.onmessage = ({ data: [kind, content] }) => {
    clearTimeout(unheard);
    answers[kind]?.(content);
  };
  // Its script did not come, as when devmode has just gone down: there is nobody yet who could tell.
  worker.onerror = () => {
    clearTimeout(unheard);
    lost();
    setTimeout(share, 2000);
  };
  watch();
}

function watch() {
  port.postMessage(["watch", subject]);
  texts.watch((text) => port.postMessage(["text", text]));
}

addEventListener("pagehide", () => port?.postMessage(["leave"]));
addEventListener("pageshow", ({ persisted }) => persisted && port && watch());

/** Where there are no shared workers, each tab has a stream of its own. */
function open(text) {
  const watched = subject === "dashboard" ? "dashboard=1" : `jobs=${subject}`;
  const stream = new EventSource(`/events?${watched}` + (text ? `&texts=${subject}:${text.name}:${text.cursor}` : ""));
  stream.onopen = () => told.state(true);
  stream.onmessage = ({ data }) => receive(JSON.parse(data));
  stream.addEventListener("text", ({ data }) => texts.receive(JSON.parse(data)));
  for (const kind of ["message", "text", "heartbeat"]) stream.addEventListener(kind, hear);
  stream.addEventListener("signed-out", told["signed-out"]);
  stream.addEventListener("who", who);
  stream.onerror = () => {
    told.state(false);
    if (stream.readyState === EventSource.CLOSED) refused(stream);
  };
  return stream;
}

async function who() {
  const answer = await fetch("/events?jobs=").catch(() => null);
  answer?.body?.cancel();
  if (answer?.status === 401) told["signed-out"]();
  return answer?.status;
}

async function refused(stream) {
  if ((await who()) !== 401) setTimeout(() => stream === own && texts.watch(reopen), 2000);
}

let own = null;
let silence;

function reopen(text) {
  own?.close();
  own = open(text);
  hear();
}

function hear() {
  clearTimeout(silence);
  silence = setTimeout(giveUp, SILENCE_MS);
}

/** See the shared worker. */
function giveUp() {
  told.state(false);
  texts.watch(reopen);
}

if (subject) "SharedWorker" in window ? share() : texts.watch(reopen);

// What went well is told for a while; what went wrong stays until it is dismissed.
new MutationObserver(() => {
  for (const message of messages.querySelectorAll(".done")) setTimeout(() => message.remove(), 6000);
}).observe(messages, { childList: true });
messages.addEventListener("click", ({ target }) => target.closest("a") ?? target.closest(".message")?.remove());
document.addEventListener("keydown", ({ key }) => key === "Escape" && messages.replaceChildren());

// The start code comes behind the # of the printed address, which is never sent to the server.
const code = document.getElementById("code");
if (code && location.hash.startsWith("#code=")) {
  code.value = decodeURIComponent(location.hash.slice("#code=".length));
  history.replaceState(null, "", location.pathname + location.search);
}
