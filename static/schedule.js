// Loads the steps of a module when it is opened, and again when it has told new ones.

const loaded = new WeakMap(); // the place of the steps -> their version

function load(details) {
  const steps = details.querySelector(".steps");
  if (!steps || loaded.get(steps) === details.dataset.version) return;
  loaded.set(steps, details.dataset.version);
  steps.dispatchEvent(new Event("show"));
}

document.addEventListener("toggle", ({ target }) => target.open && load(target), true);
document.addEventListener("htmx:after:swap", () => document.querySelectorAll(".schedule .module > details[open]").forEach(load));
