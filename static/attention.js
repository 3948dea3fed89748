// Calls for attention: the icon of the tab, what a screen reader says, and notifications for
// whoever asked for them.

const job = document.body.dataset.streamJob;
const switches = document.getElementById("attention");
const notify = document.getElementById("attention-notify");
const sound = document.getElementById("attention-sound");
const spoken = document.getElementById("spoken");
const icon = document.querySelector("link[rel=icon]");
const ICONS = { paused: "favicon-paused.svg", ended: "favicon-ended.svg", trouble: "favicon-trouble.svg" };
const WORTH_TELLING = ["paused", "ended", "trouble"];

function headline() {
  const shown = document.querySelector("#region-status .headline");
  const detail = document.querySelector("#region-status .detail");
  const newer = shown.querySelector(".newer")?.textContent.replaceAll(/\s+/g, " ").trim();
  const { kind, pause } = shown.dataset;
  return { kind, pause, title: shown.querySelector("strong").textContent, detail: detail?.textContent ?? "", newer };
}

function failures() {
  return document.querySelectorAll("#region-schedule .module.fail").length;
}

/** What somebody chose for one job is kept in this browser. */
function remember() {
  localStorage.setItem(`devmode:attention:${job}`, JSON.stringify({ notify: notify.checked, sound: sound.checked }));
  sound.disabled = !notify.checked;
}

function beep() {
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 660 });
  const volume = new GainNode(context, { gain: 0.1 });
  tone.connect(volume).connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + 0.2);
  tone.onended = () => context.close();
}

/** Who looks already is not told. */
function tell(title, body) {
  if (!notify.checked || Notification.permission !== "granted") return;
  if (!document.hidden && document.hasFocus()) return;
  if (sound.checked) beep();
  try {
    show(title, body);
  } catch {
    // On Android only service workers may: the sound and the title call all the same.
  }
}

/** The same of several tabs replaces itself by its tag. */
function show(title, body) {
  const name = document.querySelector(".job-name").textContent;
  const notification = new Notification(title, { body: `${name}\n${body}`, tag: `devmode-${job}-${title}`, silent: true });
  notification.onclick = () => {
    window.focus();
    notification.close();
  };
}

/** A pause and an end are spoken with their reason; what changes with every command is not. */
function speak({ kind, title, detail }) {
  spoken.textContent = WORTH_TELLING.includes(kind) && detail ? `${title}: ${detail}` : title;
}

/** Who controls the job, and who asks for it. */
function standing() {
  const { dataset } = document.querySelector("#region-session .owner-line");
  const request = document.querySelector("#region-session .message");
  return { owner: dataset.owner, mine: "mine" in dataset, asks: "asks" in dataset, request: request?.textContent ?? "" };
}

/** What others did about the control that one has, or has now; what one did oneself was answered. */
function news(now, before) {
  if (before.asks && !now.asks && now.owner === before.owner) return now.request;
  if (now.mine && before.mine) return now.request === before.request ? "" : now.request;
  if (now.mine === before.mine || !now.owner || !before.owner) return "";
  return now.mine ? "You control this job now." : `${now.owner} controls this job now.`;
}

let stood = standing();

function lookWhoControls() {
  const now = standing();
  const told = news(now, stood);
  stood = now;
  if (!told) return;
  // What was told of an own click is over by it.
  for (const message of document.querySelectorAll("#flash .done")) message.remove();
  spoken.textContent = told;
  tell(told, "");
}

// What comes when the connection is back may be counted by another process.
const connection = document.getElementById("stream-state");
let wasLost = false;
new MutationObserver(() => { wasLost ||= !connection.hidden; }).observe(connection, { attributes: true });

/** The stream tells where the test is, and may leave out that it ran from one pause to the next. */
function isAnotherPause(now, before) {
  return now.kind === "paused" && now.pause !== before.pause && !wasLost;
}

let last = headline();
let failed = failures();

function look() {
  const now = headline();
  icon.href = new URL(ICONS[now.kind] ?? "favicon.svg", icon.href).href;
  const another = isAnotherPause(now, last);
  if (now.kind !== last.kind || now.title !== last.title || another) speak(now);
  if (now.newer && now.newer !== last.newer) spoken.textContent = now.newer;
  if (another || (now.kind !== last.kind && WORTH_TELLING.includes(now.kind))) tell(now.title, now.detail);
  const count = failures();
  if (count > failed && now.kind !== "ended") tell("A module failed", `${count} failed so far`);
  [last, failed] = [now, count];
}

async function ask() {
  if (notify.checked && Notification.permission !== "granted") {
    notify.checked = (await Notification.requestPermission()) === "granted";
    document.getElementById("attention-refused").hidden = notify.checked;
  }
  remember();
}

function lookAtStatus() {
  look();
  wasLost = false;
}

new MutationObserver(lookAtStatus).observe(document.getElementById("region-status"), { childList: true, subtree: true, attributes: true, characterData: true });
new MutationObserver(look).observe(document.getElementById("region-schedule"), { childList: true, subtree: true, attributes: true });
new MutationObserver(lookWhoControls).observe(document.getElementById("region-session"), { childList: true, subtree: true, attributes: true, characterData: true });
document.addEventListener("devmode:warning", ({ detail }) => tell("Time is running out", detail));
look();

if ("Notification" in window) {
  const chosen = JSON.parse(localStorage.getItem(`devmode:attention:${job}`) ?? "{}");
  notify.checked = Boolean(chosen.notify) && Notification.permission === "granted";
  sound.checked = Boolean(chosen.sound);
  sound.disabled = !notify.checked;
  notify.addEventListener("change", ask);
  sound.addEventListener("change", remember);
  switches.hidden = false;
}
