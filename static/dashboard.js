// Arranges and filters the list of jobs; the stream fills its lines.

const list = document.getElementById("jobs");
const filter = document.getElementById("filter");

function makeRow(id) {
  const row = document.createElement("li");
  row.id = id;
  return row;
}

/** Put the lines into the order that the stream names, new ones empty until they are filled. */
function arrange(order) {
  const ids = order ? order.split(",").map((number) => `region-job-${number}`) : [];
  const wanted = new Set(ids);
  const focused = document.activeElement;
  for (const row of [...list.children]) if (!wanted.has(row.id)) row.remove();
  ids.forEach((id, place) => {
    const row = document.getElementById(id) ?? makeRow(id);
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
  });
  // A line that is moved loses the keyboard.
  if (list.contains(focused) && focused !== document.activeElement) focused.focus({ preventScroll: true });
  document.getElementById("no-jobs").hidden = ids.length > 0;
}

/** The same rules as Filter.admits in devmode/live/dashboard.py. */
function admits(job, { text, kind, owner }) {
  return text.toLowerCase().split(/\s+/).every((word) => job.dataset.words.includes(word))
    && (!kind || job.dataset.kind === kind)
    && (!owner || job.dataset.owner === (owner === "mine" ? filter.dataset.me : ""));
}

function apply() {
  const chosen = Object.fromEntries(new FormData(filter));
  let admitted = 0;
  for (const row of list.children) {
    const job = row.querySelector(".job");
    row.hidden = Boolean(job) && !admits(job, chosen);
    admitted += !row.hidden;
  }
  document.getElementById("none-admitted").hidden = admitted > 0 || list.children.length === 0;
}

/** What is chosen stays in the address, for reloading and for others. */
function choose() {
  apply();
  const chosen = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value));
  history.replaceState(null, "", chosen.size ? `?${chosen}` : location.pathname);
}

document.addEventListener("devmode:order", ({ detail }) => arrange(detail));
document.addEventListener("devmode:tick", apply);
filter.addEventListener("input", choose);
filter.addEventListener("submit", (event) => event.preventDefault());
