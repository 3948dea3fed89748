// Keyboard shortcuts: those that the help of the page (dialog#keys) names, each a press of what it
// names there, if that is on the page and works.

import { coverWith } from "./cover.js";

const help = document.getElementById("keys");
const wanted = document.getElementById("keys-wanted");
const STORED = "devmode:keys";

function isTyping(element) {
  return element.matches("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])");
}

function targetOf(key) {
  const meant = [...help.querySelectorAll("[data-presses]")].find((entry) => entry.dataset.key === key);
  const targets = meant ? [...document.querySelectorAll(meant.dataset.presses)] : [];
  return targets.find((target) => !target.disabled && target.checkVisibility());
}

function press(event) {
  const { key, target, repeat, isComposing, ctrlKey, altKey, metaKey } = event;
  if (repeat || isComposing || ctrlKey || altKey || metaKey || isTyping(target)) return;
  // What is behind a dialog is not to be pressed.
  if (document.querySelector("dialog[open]")) return;
  if (key !== "?" && !wanted.checked) return;
  const found = targetOf(key);
  if (!found) return;
  event.preventDefault();
  if (isTyping(found)) found.focus();
  else found.click();
}

// Single letters get into the way of who dictates: they can be switched off, in this browser.
wanted.checked = localStorage.getItem(STORED) !== "off";
wanted.addEventListener("change", () => localStorage.setItem(STORED, wanted.checked ? "on" : "off"));

const opener = document.getElementById("keys-open");
opener.hidden = false;
opener.addEventListener("click", () => coverWith(help));
document.addEventListener("keydown", press);
