// What comes to lie over the whole page is left by the browser's Back as well, which else would
// leave the page.

const covers = []; // what takes each of them away, the topmost last

/** Call when something covers the page; `away` takes it away. */
export function cover(away) {
  covers.push(away);
  history.pushState({ covers: covers.length }, "");
}

/** Call when it is away, whoever did that. */
export function uncover(away) {
  // Back has been, then.
  if (covers.at(-1) !== away) return;
  covers.pop();
  history.back();
}

/** Show a dialog that covers the page. */
export function coverWith(dialog) {
  const away = () => dialog.close();
  dialog.showModal();
  cover(away);
  dialog.addEventListener("close", () => uncover(away), { once: true });
}

addEventListener("popstate", ({ state }) => {
  while (covers.length > (state?.covers ?? 0)) covers.pop()();
});

// Of a page that was loaded anew nothing is covered.
if (history.state?.covers) history.replaceState({ ...history.state, covers: 0 }, "");
