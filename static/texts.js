// The panel under the screen: appends to a text what the stream tells, follows its end, searches it.

const MOST_LINES = 4000;
const MOST_CHARACTERS = 2_000_000;
const NEAR_END_PX = 12;
let tell = () => {};
let shown = null;
let chosen = null; // id of the tab that was just chosen

/** A text on the page, with its lines and how far it is told. */
class Text {
  constructor(box) {
    this.box = box;
    this.lines = box.querySelector(".lines");
    this.lines.classList.add("laid-out");
    this.note = document.getElementById("panel-note");
    this.button = document.querySelector("#panel .follow");
    this.characters = this.lines.textContent.length;
    this.cursor = box.dataset.cursor;
    this.following = "end" in box.dataset && !location.hash.startsWith("#at-");
    this.full = false;
    this.knownSize = this.size;
    box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.resized()).observe(box);
    this.button?.addEventListener("click", () => this.follow(!this.following));
    if (this.button) this.button.hidden = false;
    this.follow(this.following);
  }

  get name() {
    return this.box.dataset.name;
  }

  get wanted() {
    return this.cursor && !this.full ? { name: this.name, cursor: this.cursor } : null;
  }

  follow(following) {
    this.following = following;
    this.button?.setAttribute("aria-pressed", String(following));
    if (!following) return;
    if (this.full) document.querySelector("#panel .tabs [aria-current]").click();
    this.box.scrollTop = this.box.scrollHeight;
  }

  get size() {
    return `${this.box.clientWidth}x${this.box.clientHeight}`;
  }

  /** What moves because the box has another size was scrolled by nobody. */
  resized() {
    this.knownSize = this.size;
    if (this.following) this.box.scrollTop = this.box.scrollHeight;
  }

  scrolled() {
    if (this.size !== this.knownSize) return;
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (atEnd !== this.following && !(atEnd && this.full)) this.follow(atEnd);
  }

  receive({ generation, cursor, lines, problem }) {
    const [known, offset] = this.cursor.split("-");
    const anew = known && known !== generation && generation !== "";
    if (anew) this.beginAnew();
    for (const line of lines) if (anew || known === "" || line[0] >= Number(offset)) this.append(line);
    this.cursor = cursor;
    this.box.querySelector(".problem").textContent = problem;
    this.trim();
    if (this.following) this.box.scrollTop = this.box.scrollHeight;
    search.refresh();
  }

  /** Offsets begin anew with another file, so the old lines must not be found by theirs. */
  beginAnew() {
    for (const line of this.lines.children) line.removeAttribute("id");
    const mark = make("div", "line omitted", "— the file was written anew —");
    this.lines.append(mark);
  }

  append(line) {
    const element = render(line, this.box.dataset.link);
    const last = this.lines.lastElementChild;
    this.characters += element.textContent.length;
    if (last?.id === element.id) {
      this.characters -= last.textContent.length;
      last.replaceWith(element);
    } else this.lines.append(element);
  }

  /** The memory of a tab is bounded: who follows loses the oldest lines, who reads gets no more. */
  trim() {
    const isTooMuch = () => this.lines.childElementCount > MOST_LINES || this.characters > MOST_CHARACTERS;
    if (!isTooMuch()) return;
    if (!this.following) {
      this.full = true;
      this.box.querySelector(".problem").textContent = "The text goes on: follow it to see its end.";
      tell(null);
      return;
    }
    while (isTooMuch()) {
      const first = this.lines.firstElementChild;
      this.characters -= first.textContent.length;
      first.remove();
    }
  }
}

function make(tag, classes, text = "") {
  const element = document.createElement(tag);
  element.className = classes;
  element.textContent = text;
  return element;
}

/** The same as the template of the panel makes; text never becomes HTML. */
function render([start, spans, omitted], link) {
  const line = make("div", "line");
  line.id = `at-${start}`;
  const bytes = omitted.toLocaleString("en");
  if (omitted && spans.length === 0) {
    const gap = make("a", "omitted", `… ${bytes} bytes are not shown here`);
    gap.href = `${link}&at=${start + omitted}#at-${start + omitted}`;
    line.append(gap);
    return line;
  }
  const at = make("a", "at");
  at.href = `${link}&at=${start}#at-${start}`;
  at.tabIndex = -1;
  at.ariaHidden = "true";
  line.append(at, ...spans.map(([text, classes]) => (classes ? make("span", classes, text) : text)));
  if (omitted) line.append(make("span", "omitted", ` … ${bytes} more bytes in this line`));
  return line;
}

/** Searches what is shown; matches are marked without touching the text. */
const search = {
  found: [],
  at: -1,

  refresh() {
    const wanted = document.getElementById("search")?.value.toLowerCase() ?? "";
    this.found = wanted ? [...shown.lines.children].flatMap((line) => occurrences(line, wanted)) : [];
    this.at = Math.min(this.at, this.found.length - 1);
    this.mark();
  },

  go(step) {
    if (this.found.length === 0) return;
    this.at = (this.at + step + this.found.length) % this.found.length;
    shown.follow(false);
    this.found[this.at].startContainer.parentElement.scrollIntoView({ block: "center", inline: "nearest" });
    this.mark();
  },

  mark() {
    const output = document.querySelector("#panel output");
    const searching = document.getElementById("search").value !== "";
    if (output) output.textContent = searching ? `${this.at + 1}/${this.found.length}` : "";
    if (!CSS.highlights) return;
    CSS.highlights.set("found", new Highlight(...this.found));
    CSS.highlights.set("current", new Highlight(...this.found.slice(this.at, this.at + 1)));
  },
};

function occurrences(line, wanted) {
  const ranges = [];
  const nodes = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const text = nodes.currentNode.data.toLowerCase();
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = new StaticRange({
        startContainer: nodes.currentNode, startOffset: at,
        endContainer: nodes.currentNode, endOffset: at + wanted.length,
      });
      ranges.push(range);
    }
  }
  return ranges;
}

function say(note, sentence) {
  note.textContent = sentence;
  setTimeout(() => { note.textContent = ""; }, 3000);
}

/** Copy the link of a line, or put it into the address where copying is refused. */
async function copyLink(line) {
  const { href } = line.querySelector("a");
  // Another tab may be shown by the time there is something to say.
  const { note } = shown;
  history.replaceState(history.state, "", href);
  document.querySelector(".line.linked")?.classList.remove("linked");
  line.classList.add("linked");
  await navigator.clipboard?.writeText(href).then(() => say(note, "Link copied"), () => say(note, "The address has the link"));
}

/** The line of the current match, or else the first in sight: for who has no mouse to click beside one. */
function currentLine() {
  const match = search.found[search.at]?.startContainer.parentElement.closest(".line");
  const top = shown.box.getBoundingClientRect().top;
  return match ?? [...shown.lines.children].find((line) => line.id && line.getBoundingClientRect().bottom > top);
}

function look() {
  const box = document.getElementById("text");
  if (box === shown?.box) return;
  shown = box && new Text(box);
  if (box) for (const tool of document.querySelectorAll("#panel .search [hidden], #panel .link")) tool.hidden = false;
  if (box) search.refresh();
  if (box && location.hash.startsWith("#at-")) document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: "center" });
  tell(shown?.wanted ?? null);
}

/** The tabs are replaced together with what they show: the keyboard stays at the chosen one. */
function keepFocus() {
  if (!chosen || document.activeElement !== document.body) return;
  document.getElementById(chosen)?.focus({ preventScroll: true });
  chosen = null;
}

/** Call `teller` with the text that is to be streamed, or null, now and whenever it changes. */
export function watch(teller) {
  tell = teller;
  tell(shown?.wanted ?? null);
}

/** Take what the stream tells of a text. */
export function receive({ name, news }) {
  if (shown?.wanted && shown.name === name) shown.receive(news);
}

document.addEventListener("htmx:after:swap", look);
document.addEventListener("htmx:after:swap", keepFocus);
document.addEventListener("click", (event) => {
  const { target } = event;
  if (target.matches("#text .at[tabindex]")) {
    event.preventDefault();
    copyLink(target.parentElement);
  }
  if (target.matches("#panel .link") && currentLine()) copyLink(currentLine());
  if (target.matches("#panel .search button[value]")) search.go(Number(target.value));
  const tab = target.closest("#panel .tabs a");
  if (!tab) return;
  chosen = tab.id;
  history.replaceState(history.state, "", tab.getAttribute("href").split("#")[0]);
});
document.addEventListener("input", ({ target }) => {
  if (target.id !== "search") return;
  search.at = 0;
  search.refresh();
  search.go(-1);
});
document.addEventListener("keydown", (event) => {
  if (event.target.id !== "search") return;
  if (event.key === "Enter") search.go(event.shiftKey ? 1 : -1);
  else if (event.key === "Escape") {
    event.target.value = "";
    search.refresh();
  } else return;
  event.preventDefault();
  event.stopPropagation();
});
look();
