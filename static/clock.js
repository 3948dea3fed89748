// Lets times tick: how long ago something was (time[data-ago]).

// The server's clock, not this machine's, which may be wrong.
const ahead = Number(document.body.dataset.now) * 1000 - Date.now() || 0;

function inWords(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? `${hours} h ${Math.floor(seconds / 60) % 60} min` : `${Math.floor(hours / 24)} days`;
}

function tick() {
  const now = Date.now() + ahead;
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const seconds = (now - Date.parse(time.dateTime)) / 1000;
    const text = seconds < 1 ? "just now" : `${inWords(seconds)} ago`;
    if (time.textContent !== text) time.textContent = text;
  }
}

setInterval(tick, 1000);
document.addEventListener("devmode:tick", tick);
tick();
