// Shows the screenshot of a step in full size, with its areas, over the page. Another click, Escape
// or the browser's Back leads back. Without this it is a link to the picture.

import { coverWith } from "./cover.js";

const view = document.getElementById("shot-view");

function show(shot) {
  view.querySelector("#shot-caption").textContent = shot.closest(".step").querySelector(".caption").textContent;
  view.querySelector("a").href = shot.href;
  view.querySelector(".shot").replaceChildren(...shot.cloneNode(true).children);
  coverWith(view);
}

document.addEventListener("click", (event) => {
  const shot = event.target.closest("a.shot");
  // In a new tab or window it is the picture.
  if (!shot || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(shot);
});

view.addEventListener("click", ({ target }) => target.closest("form") ?? view.close());
