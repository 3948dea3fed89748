// Loads the steps of a module when it is opened, and again when it has told new ones.

const loaded = new WeakMap(); // the place of the steps -> their version

function load(details) {
  const steps = details.querySelector(".steps");
  if (!steps || loaded.get(steps) === details.dataset.version) return;
  loaded.set(steps, details.dataset.version);
  steps.dispatchEvent(new Event("show"));
}

const opened = () => [...document.querySelectorAll(".schedule .module > details[open]")];

document.addEventListener("toggle", ({ target }) => {
  if (target.open) load(target);
  history.replaceState({ ...history.state, opened: opened().map(({ parentElement }) => parentElement.id) }, "");
}, true);
document.addEventListener("htmx:after:swap", () => opened().forEach(load));

// What was open when one left is open when one comes back; htmx, which loads the steps, is there by then.
addEventListener("load", () => {
  for (const id of history.state?.opened ?? []) document.getElementById(id)?.querySelector("details").setAttribute("open", "");
});
