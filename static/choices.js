// Tells when the choice in a select is made: at once by mouse or from an open list. By keyboard each
// option on the way is a change: there it is made with Enter, or by going on, and given up with Escape.

/** The select that somebody is choosing from. */
export let inHand = null;
let stepping = false;
let pending = null;

function decide(select) {
  [inHand, pending] = [null, null];
  select.dispatchEvent(new Event("decided", { bubbles: true }));
}

function giveUp() {
  for (const option of pending.options) option.selected = option.defaultSelected;
  pending = null;
}

function press(event) {
  const { target, key, altKey } = event;
  if (key === "Enter" && pending) {
    event.preventDefault();
    decide(target);
    return;
  }
  if (key === "Escape" && pending) giveUp();
  inHand = target;
  // What opens the list is no step.
  stepping = !altKey && key !== "Enter" && key !== " ";
}

function point({ target }) {
  inHand = target;
  stepping = false;
}

function change({ target }) {
  if (stepping) pending = target;
  else decide(target);
}

function leave() {
  inHand = null;
  if (pending) decide(pending);
}

const listeners = { keydown: press, pointerdown: point, change, focusout: leave };
for (const [kind, listener] of Object.entries(listeners)) {
  document.getElementById("settings")?.addEventListener(kind, (event) => event.target.matches("select") && listener(event));
}
