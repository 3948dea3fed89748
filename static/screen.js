// Shows the pictures of the SUT's screen that the stream brings, one behind the other.

import { cover, uncover } from "./cover.js";

const frame = document.getElementById("picture-frame");
const age = document.getElementById("picture-age");
let newest = null;
let showing = false;

/** A picture is decoded before it takes the place of the last one, so that nothing flickers. */
async function show() {
  if (showing || document.hidden) return;
  showing = true;
  while (newest) {
    const { src, width, height, at } = newest;
    newest = null;
    const picture = Object.assign(new Image(width, height), { id: "picture", alt: frame.dataset.alt, src });
    if (await picture.decode().then(() => true, () => false)) {
      frame.replaceChildren(picture);
      age.hidden = false;
      age.querySelector("time").dateTime = new Date(at * 1000).toISOString();
      document.dispatchEvent(new Event("devmode:tick"));
    }
  }
  showing = false;
}

document.addEventListener("devmode:picture", ({ detail }) => {
  newest = detail;
  show();
});
document.addEventListener("visibilitychange", show);

function showFull(full) {
  frame.closest(".screen").classList.toggle("full", full);
  frame.setAttribute("aria-expanded", full);
}

const shrink = () => showFull(false);

function expand() {
  showFull(true);
  cover(shrink);
}

function collapse() {
  shrink();
  uncover(shrink);
}

/** One click for full size; another one, Escape or Back leads back. Without this it is a link. */
frame?.addEventListener("click", (event) => {
  event.preventDefault();
  if (frame.closest(".full")) collapse();
  else expand();
});
document.addEventListener("keydown", (event) => {
  // In a dialog over it, Escape is that one's.
  if (event.key === "Escape" && frame?.closest(".full") && !document.querySelector("dialog[open]")) collapse();
});
