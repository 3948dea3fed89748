// Draws the areas of a needle over its screenshot. What stands in the fields counts: the drawing
// shows it, and writes into it.

const drawing = document.getElementById("drawing");
const areas = document.getElementById("areas");
const blank = document.getElementById("new-area").content;
const { width: WIDTH, height: HEIGHT } = drawing.viewBox.baseVal;
const SIDES = ["xpos", "ypos", "width", "height"];
const CLICK = 4; // as many pixels on the screen are no drawing yet
const CORNER = matchMedia("(pointer: coarse)").matches ? 13 : 7; // for fingers, or for a mouse
let chosen = null; // the fieldset of an area
let gesture = null; // what the pointer does: {begin, apply(point)}

const all = () => [...areas.querySelectorAll(".area")];
const field = (area, name) => area.querySelector(`[name=${name}]`);
const boxOf = (area) => SIDES.map((name) => Number(field(area, name).value) || 0);
const within = (value, least, most) => Math.min(Math.max(Math.round(value), least), most);

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function draw(focused = drawing.contains(document.activeElement)) {
  const shapes = all().map((area, index) => {
    const [x, y, width, height] = boxOf(area);
    const type = field(area, "type").value;
    area.querySelector("legend").textContent = `Area ${index + 1}`;
    area.querySelector(".refusal").id = `mark-area-${index + 1}`;
    area.setAttribute("aria-describedby", `mark-area-${index + 1}`);
    area.classList.toggle("chosen", area === chosen);
    const rectangle = shape("rect", {
      x, y, width, height, class: `${type}${area === chosen ? " chosen" : ""}`,
      tabindex: 0, role: "button", "aria-label": `Area ${index + 1}, ${type}`, "aria-pressed": area === chosen,
    });
    return Object.assign(rectangle, { area });
  });
  drawing.replaceChildren(...shapes, ...(chosen ? corners() : []));
  if (focused) shapes.find((rectangle) => rectangle.area === chosen)?.focus({ preventScroll: true });
}

/** As large on the screen however the picture is scaled. */
function corners() {
  const [x, y, width, height] = boxOf(chosen);
  const r = (CORNER * WIDTH) / drawing.getBoundingClientRect().width;
  return [[0, 0], [1, 0], [0, 1], [1, 1]].map(([right, below]) => {
    const [cx, cy] = [x + right * width, y + below * height];
    const corner = shape("circle", { cx, cy, r, class: right === below ? "falling" : "rising" });
    return Object.assign(corner, { at: [cx, cy], opposite: [x + (1 - right) * width, y + (1 - below) * height] });
  });
}

function choose(area) {
  chosen = area;
  draw();
}

function place(area, [x, y, width, height]) {
  delete areas.dataset.tentative;
  [x, y, width, height].forEach((value, index) => (field(area, SIDES[index]).value = value));
  draw();
}

/** The box between two points, within the picture. */
function between([x1, y1], [x2, y2]) {
  const [left, top] = [within(Math.min(x1, x2), 0, WIDTH - 1), within(Math.min(y1, y2), 0, HEIGHT - 1)];
  const [right, bottom] = [within(Math.max(x1, x2), left + 1, WIDTH), within(Math.max(y1, y2), top + 1, HEIGHT)];
  return [left, top, right - left, bottom - top];
}

function moved([x, y, width, height], dx, dy) {
  return [within(x + dx, 0, WIDTH - width), within(y + dy, 0, HEIGHT - height), width, height];
}

function add(box) {
  // The whole picture only stood in for what is drawn now.
  if ("tentative" in areas.dataset) areas.replaceChildren();
  areas.append(blank.cloneNode(true));
  chosen = all().at(-1);
  place(chosen, box);
}

function remove(area) {
  const rest = all().filter((other) => other !== area);
  area.remove();
  choose(chosen === area ? (rest.at(-1) ?? null) : chosen);
}

/** The button goes with its area: the keyboard goes on at the next one, or where areas are added. */
function removeBy(button) {
  const area = button.closest(".area");
  const next = area.nextElementSibling ?? area.previousElementSibling ?? document;
  remove(area);
  next.querySelector(".area button, [value=add]").focus();
}

function pointOf(event) {
  const frame = drawing.getBoundingClientRect();
  return [((event.clientX - frame.left) * WIDTH) / frame.width, ((event.clientY - frame.top) * HEIGHT) / frame.height];
}

/** What a drag from here means: resize by a corner, move the chosen area, or draw a new one. */
function gestureAt(target, begin) {
  if (target.opposite) {
    // A finger takes a corner beside its middle: it is not to jump there.
    const [dx, dy] = [target.at[0] - begin[0], target.at[1] - begin[1]];
    return ([x, y]) => place(chosen, between(target.opposite, [x + dx, y + dy]));
  }
  if (chosen && target.area === chosen) {
    const box = boxOf(chosen);
    return ([x, y]) => place(chosen, moved(box, x - begin[0], y - begin[1]));
  }
  let drawn = null;
  return (point) => {
    if (drawn) place(drawn, between(begin, point));
    else add(between(begin, point));
    drawn = chosen;
  };
}

drawing.addEventListener("pointerdown", (event) => {
  if (!event.isPrimary || event.button) return;
  event.preventDefault();
  drawing.setPointerCapture(event.pointerId);
  const { target, clientX, clientY } = event;
  gesture = { target, clientX, clientY, begun: false, apply: gestureAt(target, pointOf(event)) };
});

drawing.addEventListener("pointermove", (event) => {
  if (!gesture || !event.isPrimary) return;
  gesture.begun ||= Math.hypot(event.clientX - gesture.clientX, event.clientY - gesture.clientY) >= CLICK;
  if (gesture.begun) gesture.apply(pointOf(event));
});

drawing.addEventListener("pointerup", () => {
  if (!gesture) return;
  if (!gesture.begun && !gesture.target.opposite) chosen = gesture.target.area ?? null;
  gesture = null;
  draw(true);
});
drawing.addEventListener("pointercancel", () => (gesture = null));

drawing.addEventListener("focusin", ({ target }) => {
  if (target.area && target.area !== chosen) choose(target.area);
});

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

drawing.addEventListener("keydown", (event) => {
  if (!chosen) return;
  const [x, y, width, height] = boxOf(chosen);
  const arrow = ARROWS[event.key];
  if (arrow && event.shiftKey) place(chosen, between([x, y], [x + Math.max(1, width + arrow[0]), y + Math.max(1, height + arrow[1])]));
  else if (arrow) place(chosen, moved([x, y, width, height], ...arrow));
  else if (event.key === "Delete" || event.key === "Backspace") remove(chosen);
  else if (event.key === "Escape") choose(null);
  else return;
  event.preventDefault();
});

areas.addEventListener("input", () => {
  delete areas.dataset.tentative;
  draw();
});
areas.addEventListener("focusin", ({ target }) => choose(target.closest(".area")));

const form = document.querySelector("form.needle");
const DRAFT = `devmode:needle:${form.getAttribute("action")}`; // in this tab

function content() {
  const fields = new URLSearchParams(new FormData(form));
  fields.delete("csrf_token");
  return String(fields);
}

// What was refused was not saved.
let saved = form.querySelector(".error") ? "" : content();

addEventListener("beforeunload", (event) => content() !== saved && event.preventDefault());

/** What was wrong is being mended, or is about to be judged anew. */
function forgetRefusals() {
  for (const mark of form.querySelectorAll(".refusal")) mark.textContent = "";
  for (const refused of form.querySelectorAll("[aria-invalid]")) refused.removeAttribute("aria-invalid");
}

/** The answer said beside a field what is wrong with it: the keyboard goes there. */
function showRefusal() {
  const mark = form.querySelector(".refusal:not(:empty)");
  const about = mark && form.querySelector(`[aria-describedby=${mark.id}]`);
  // Of an area it may be any of its fields.
  if (about?.matches("input")) about.setAttribute("aria-invalid", "true");
  (about?.querySelector("input") ?? about)?.focus();
}

form.addEventListener("input", forgetRefusals);
document.addEventListener("htmx:after:swap", showRefusal);

// What the server would do to the form is done here at once.
form.addEventListener("submit", (event) => {
  forgetRefusals();
  const asked = event.submitter?.value ?? "";
  if (asked === "add") add([WIDTH / 4, HEIGHT / 4, WIDTH / 2, HEIGHT / 2].map(Math.floor));
  else if (asked.startsWith("remove-")) removeBy(event.submitter);
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

form.addEventListener("htmx:before:response", (event) => {
  const { raw } = event.detail.ctx.response;
  const name = /filename="(.+)"/.exec(raw.headers.get("Content-Disposition"))?.[1];
  if (!name) return;
  event.preventDefault();
  saved = content();
  download(raw, name);
});

async function download(answer, name) {
  const href = URL.createObjectURL(await answer.blob());
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}

form.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  const { status } = ctx.response;
  // Who has to sign in, or to load the page again, leaves it: what stands here is there again then.
  const leaves = [400, 401].includes(status);
  if (status >= 400 && !leaves) return;
  saved = content();
  if (leaves) sessionStorage.setItem(DRAFT, saved);
  else sessionStorage.removeItem(DRAFT);
});

function restore(draft) {
  sessionStorage.removeItem(DRAFT);
  for (const name of ["name", "tags"]) form.elements[name].value = draft.get(name);
  areas.replaceChildren(...draft.getAll("type").map((_, index) => {
    const area = blank.cloneNode(true);
    for (const name of [...SIDES, "type", "match"]) field(area, name).value = draft.getAll(name)[index];
    return area;
  }));
  delete areas.dataset.tentative;
  saved = "";
  const message = Object.assign(document.createElement("p"), { className: "message done", textContent: "What was not saved is here again." });
  document.getElementById("flash").append(message);
}

const draft = sessionStorage.getItem(DRAFT);
if (draft) restore(new URLSearchParams(draft));

new ResizeObserver(() => draw()).observe(drawing);
document.getElementById("drawing-help").hidden = false;
