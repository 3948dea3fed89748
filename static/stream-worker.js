// Holds the one event stream of this browser and hands what it says to the tabs that watch.

const tabs = new Map(); // port -> { subject, unanswered pings, text: { name, cursor } or null }
const latest = new Map(); // subject -> its regions, title and picture as last told, for further tabs of it
const PING_MS = 15000;
const MOST_UNANSWERED = 4;
// Two heartbeats that did not come: nobody is there any more, though the connection is.
const SILENCE_MS = 25000;
let stream = null;
let watched = "";
let opening = null;
let silence = null;

function tell(port, kind, content) {
  port.postMessage([kind, content]);
}

function tellAll(kind, content) {
  for (const port of tabs.keys()) tell(port, kind, content);
}

function query() {
  const subjects = [...tabs.values()].map(({ subject }) => subject).sort();
  const jobs = subjects.filter((subject) => subject !== "dashboard");
  return `jobs=${jobs.join(",")}` + (subjects.includes("dashboard") ? "&dashboard=1" : "");
}

/** Each text that a tab shows, from where the tab goes on that is the furthest behind. */
function texts() {
  const cursors = new Map();
  for (const { subject, text } of tabs.values()) {
    if (!text) continue;
    const key = `${subject}:${text.name}`;
    if (!cursors.has(key) || isBehind(text.cursor, cursors.get(key))) cursors.set(key, text.cursor);
  }
  return [...cursors].map(([key, cursor]) => `${key}:${cursor}`).join(",");
}

/** Cursors of different generations of a file can't be compared: the newer tab's one is as good. */
function isBehind(one, other) {
  const [generation, offset] = one.split("-");
  const [otherGeneration, otherOffset] = other.split("-");
  return generation !== otherGeneration || Number(offset) < Number(otherOffset);
}

function receiveText({ data }) {
  const message = JSON.parse(data);
  for (const [port, { subject, text }] of tabs) {
    if (subject !== String(message.job) || text?.name !== message.name) continue;
    text.cursor = message.news.cursor;
    tell(port, "text", message);
  }
}

/** What is known of a part is old once its region is told again. */
function merge(known, later) {
  const valid = Object.entries(known).filter(([name]) => !(name.split("/")[0] in later));
  return { ...Object.fromEntries(valid), ...later };
}

/** A job that has left the list is told by the order alone. */
function listed(regions) {
  if (!("order" in regions)) return regions;
  const names = new Set(["order", ...regions.order.split(",").map((number) => `job-${number}`)]);
  return Object.fromEntries(Object.entries(regions).filter(([name]) => names.has(name)));
}

function receive({ data }) {
  const message = JSON.parse(data);
  const subject = message.dashboard ? "dashboard" : String(message.job);
  const known = latest.get(subject) ?? { regions: {} };
  latest.set(subject, {
    title: message.title ?? known.title,
    picture: message.picture ?? known.picture,
    regions: listed(merge(known.regions, message.regions ?? {})),
  });
  for (const [port, tab] of tabs) if (tab.subject === subject) tell(port, "message", message);
}

/** What nobody is told of any more would be old news to whoever comes next. */
function forgetUnwatched() {
  const subjects = new Set([...tabs.values()].map(({ subject }) => subject));
  for (const subject of latest.keys()) if (!subjects.has(subject)) latest.delete(subject);
}

function open() {
  if (tabs.size > 0 && stream && query() === watched && stream.readyState !== EventSource.CLOSED) return;
  stream?.close();
  stream = null;
  watched = query();
  clearTimeout(silence);
  forgetUnwatched();
  if (tabs.size === 0) return;
  hear();
  const mine = new EventSource(`/events?${watched}&texts=${texts()}`);
  stream = mine;
  mine.onopen = () => tellAll("state", true);
  mine.onmessage = receive;
  mine.addEventListener("text", receiveText);
  for (const kind of ["message", "text", "heartbeat"]) mine.addEventListener(kind, hear);
  mine.addEventListener("signed-out", () => tellAll("signed-out"));
  mine.addEventListener("who", who);
  mine.onerror = () => {
    tellAll("state", false);
    if (mine.readyState === EventSource.CLOSED && mine === stream) refused();
  };
}

function hear() {
  clearTimeout(silence);
  silence = setTimeout(giveUp, SILENCE_MS);
}

/** A process that was stopped, or a host that is gone, closes nothing: another one may answer. */
function giveUp() {
  tellAll("state", false);
  stream.close();
  open();
}

/** Whoever signed out elsewhere is no longer let in here. */
async function who() {
  const answer = await fetch("/events?jobs=").catch(() => null);
  answer?.body?.cancel();
  if (answer?.status === 401) tellAll("signed-out");
  return answer?.status;
}

/** EventSource gives up on an HTTP error: look why, then try again. */
async function refused() {
  if ((await who()) !== 401) setTimeout(reopen, 2000);
}

/** Tabs come and go in bursts. */
function reopen() {
  clearTimeout(opening);
  opening = setTimeout(open, 50);
}

function leave(port) {
  if (tabs.delete(port)) reopen();
}

function enter(port, subject) {
  tabs.set(port, { subject, unanswered: 0, text: null });
  if (latest.has(subject)) tell(port, "message", latest.get(subject));
  if (stream?.readyState === EventSource.OPEN) tell(port, "state", true);
  reopen();
}

/** One that was forgotten lives after all, frozen for a while say: it is to come again. */
function answered(port) {
  if (tabs.has(port)) tabs.get(port).unanswered = 0;
  else tell(port, "forgotten");
}

function showText(port, text) {
  if (!tabs.has(port) || (!text && !tabs.get(port).text)) return;
  tabs.get(port).text = text;
  watched = ""; // even if another tab shows the same text: this one may be behind
  reopen();
}

onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data: [kind, content] }) => {
    if (kind === "leave") leave(port);
    if (kind === "pong") answered(port);
    if (kind === "watch") enter(port, content);
    if (kind === "text") showText(port, content);
  };
};

// A tab that crashed says no goodbye. By the clock a laptop that has slept would have lost them all.
setInterval(() => {
  for (const [port, tab] of tabs) {
    if (tab.unanswered++ < MOST_UNANSWERED) tell(port, "ping");
    else leave(port);
  }
}, PING_MS);
