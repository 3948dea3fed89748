// Shows the pictures of the SUT's screen that the stream brings, one behind the other.

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

/** One click for full size; another one, or Escape, leads back. Without this it is a link. */
function toggle(event) {
  event.preventDefault();
  const screen = frame.closest(".screen");
  frame.setAttribute("aria-expanded", screen.classList.toggle("full"));
}

frame?.addEventListener("click", toggle);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && frame?.closest(".full")) toggle(event);
});
