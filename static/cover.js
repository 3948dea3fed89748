// What comes to lie over the whole page is left by the browser's Back as well, which else would
// leave the page.

let leave = null;

/** Call when something covers the page; `away` takes it away. */
export function cover(away) {
  leave = away;
  history.pushState({ covered: true }, "");
}

/** Call when it is away, whoever did that. */
export function uncover() {
  leave = null;
  if (history.state?.covered) history.back();
}

addEventListener("popstate", () => leave?.());
