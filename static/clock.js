// Lets times tick: how long ago something was (time[data-ago]), how long something has lasted
// (time[data-since]), and how long a job may still live (time[data-left]).

// The server's clock, not this machine's, which may be wrong.
const ahead = Number(document.body.dataset.now) * 1000 - Date.now() || 0;
const WARNED_AT_MIN = [1, 5, 10];
const warned = new Map(); // deadline -> minutes of the last warning

function inWords(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? `${hours} h ${Math.floor(seconds / 60) % 60} min` : `${Math.floor(hours / 24)} days`;
}

function ago(seconds) {
  return seconds < 1 ? "just now" : `${inWords(seconds)} ago`;
}

function left(seconds) {
  return seconds <= 0 ? "time is over" : `${inWords(seconds)} left`;
}

/** Warn once as each threshold is passed, for people who listen and for those who look elsewhere. */
function warn(time, seconds) {
  const minutes = WARNED_AT_MIN.find((threshold) => seconds <= threshold * 60);
  time.closest(".clock, .left")?.classList.toggle("soon", minutes !== undefined);
  const before = warned.get(time.dateTime) ?? Infinity;
  if (!time.closest(".clock") || !minutes || seconds <= 0 || minutes >= before) return;
  warned.set(time.dateTime, minutes);
  const text = `Less than ${minutes} min left until MAX_JOB_TIME ends the job. A pause does not stop this clock: resume in time.`;
  document.getElementById("clock-warning").textContent = text;
  document.dispatchEvent(new CustomEvent("devmode:warning", { detail: text }));
}

function tick() {
  const now = (Date.now() + ahead) / 1000;
  for (const time of document.querySelectorAll("time[data-ago], time[data-since], time[data-left]")) {
    const at = Date.parse(time.dateTime) / 1000;
    if (Number.isNaN(at)) continue;
    const text = "left" in time.dataset ? left(at - now) : "since" in time.dataset ? inWords(Math.max(0, now - at)) : ago(now - at);
    if (time.textContent !== text) time.textContent = text;
    if ("left" in time.dataset) warn(time, at - now);
  }
}

setInterval(tick, 1000);
document.addEventListener("devmode:tick", tick);
tick();
