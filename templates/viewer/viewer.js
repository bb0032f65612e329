"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const stage = one("#stage"), left = one("#left"), right = one("#right");
const a = one("img.a"), b = one("img.b"), over = new Image(), lid = one("#lid");
over.className = "over";
over.alt = "";
lid.append(over);
const state = { pair: 0, mode: "side", zoom: "fit", timer: 0, shown: false, aligned: true };
const address = (id) => `data:${data.exhibits[id].type};base64,${data.exhibits[id].bytes}`;

let list = null, group = "";
data.pairs.forEach((pair, index) => {
  if (pair.group !== group || !list) {
    group = pair.group;
    const head = document.createElement("h2");
    head.textContent = group;
    list = document.createElement("ol");
    one("#pairs").append(head, list);
  }
  const button = document.createElement("button");
  button.type = "button";
  button.append(`${pair.a} and ${pair.b}`);
  const note = document.createElement("small");
  note.textContent = pair.said || data.exhibits[pair.b].title;
  button.append(note);
  button.addEventListener("click", () => choose(index));
  const row = document.createElement("li");
  row.append(button);
  list.append(row);
});

function described(id, pair) {
  const e = data.exhibits[id];
  return `${id}: ${e.title}, ${e.width} by ${e.height} pixels. ${pair.said}`.trim();
}

function caption(figure, ids) {
  const line = figure.querySelector("figcaption");
  line.replaceChildren();
  ids.forEach((id) => {
    const tag = document.createElement("b"), exhibit = data.exhibits[id];
    tag.textContent = id;
    line.append(tag, `${exhibit.title}, ${exhibit.width} × ${exhibit.height} px. `);
  });
}

async function choose(index) {
  state.pair = (index + data.pairs.length) % data.pairs.length;
  const pair = data.pairs[state.pair];
  a.src = address(pair.a);
  b.src = over.src = address(pair.b);
  a.alt = described(pair.a, pair);
  b.alt = described(pair.b, pair);
  await Promise.all([a.decode(), b.decode(), over.decode()]);
  all("#pairs button").forEach((button, i) => button.setAttribute("aria-current", i === state.pair));
  draw();
}

function scale(pane) {
  const first = data.exhibits[data.pairs[state.pair].a];
  if (state.zoom !== "fit") return Number(state.zoom) / window.devicePixelRatio;
  return Math.min((pane.clientWidth - 2) / first.width, (pane.clientHeight - 2) / first.height);
}

function draw() {
  const pair = data.pairs[state.pair], together = state.mode !== "side";
  stage.dataset.mode = one("#controls").dataset.mode = state.mode;
  all("[data-mode]").filter((e) => e.tagName === "BUTTON").forEach((e) => e.setAttribute("aria-pressed", e.dataset.mode === state.mode));
  all("[data-zoom]").forEach((e) => e.setAttribute("aria-pressed", e.dataset.zoom === state.zoom));
  caption(left, together ? [pair.a, pair.b] : [pair.a]);
  caption(right, [pair.b]);
  const pane = left.querySelector(".pane"), stack = left.querySelector(".stack");
  lid.hidden = !together;
  const size = scale(pane), first = data.exhibits[pair.a], second = data.exhibits[pair.b];
  a.style.width = `${first.width * size}px`;
  const fitted = state.zoom === "fit" && !together ? scaleOf(second, right.querySelector(".pane")) : size;
  b.style.width = `${second.width * fitted}px`;
  lid.style.width = a.style.width;
  lid.style.height = `${first.height * size}px`;
  const laid = state.aligned && pair.matrix;
  place(laid ? pair.matrix : frames(first, second), size, second);
  over.style.filter = laid && pair.inverted ? "invert(1)" : "";
  one("#align").disabled = !pair.matrix;
  one("#align").setAttribute("aria-pressed", Boolean(laid));
  stage.classList.toggle("sharp", size >= 2 / window.devicePixelRatio);
  lid.style.clipPath = state.mode === "slider" ? `inset(0 0 0 ${one("#boundary").value}%)` : "";
  lid.style.visibility = state.mode === "blink" && !state.shown ? "hidden" : "visible";
  stack.style.filter = state.mode === "difference" ? `brightness(${one("#gain").value})` : "";
  one("#gained").textContent = one("#gain").value;
  const how = !together ? "" : laid ? `${pair.b} is laid over ${pair.a} as it was measured.` : `${pair.b} is shown in the frame of ${pair.a}.`;
  one("#found").textContent = pair.said;
  one("#said").textContent = [pair.values, how].filter(Boolean).join(". ");
  if (state.mode !== "blink") stop();
}

// Nine numbers that put one frame on the other, as a picture is laid where no overlay was measured.
function frames(first, second) {
  return [first.width / second.width, 0, 0, 0, first.height / second.height, 0, 0, 0, 1];
}

// Pixels of the second picture to pixels of the screen: the measured matrix, then the size on the screen.
function place(m, size, second) {
  over.style.width = `${second.width}px`;
  over.style.height = `${second.height}px`;
  const [p, q, r, s, t, u, v, w, z] = m;
  over.style.transform = `matrix3d(${[p * size, s * size, 0, v, q * size, t * size, 0, w, 0, 0, 1, 0, r * size, u * size, 0, z].join(",")})`;
}

function scaleOf(exhibit, pane) {
  return Math.min((pane.clientWidth - 2) / exhibit.width, (pane.clientHeight - 2) / exhibit.height);
}

function mode(name) { state.mode = name; draw(); }
function align() { state.aligned = !state.aligned; draw(); }
function zoom(name) { state.zoom = name; draw(); }
function swap() { state.shown = !state.shown; draw(); }
function stop() { clearInterval(state.timer); state.timer = 0; one("#run").textContent = "Start"; }
function start() {
  stop();
  state.timer = setInterval(swap, 1000 / Number(one("#rate").value));
  one("#run").textContent = "Stop";
}

all("button[data-mode]").forEach((e) => e.addEventListener("click", () => mode(e.dataset.mode)));
all("button[data-zoom]").forEach((e) => e.addEventListener("click", () => zoom(e.dataset.zoom)));
one("#align").addEventListener("click", align);
one("#boundary").addEventListener("input", draw);
one("#gain").addEventListener("input", draw);
one("#rate").addEventListener("input", () => { if (state.timer) start(); });
one("#run").addEventListener("click", () => (state.timer ? stop() : start()));
if (matchMedia("(prefers-reduced-motion: reduce)").matches) one("#run").disabled = true;

const panes = all(".pane");
let leading = null;
panes.forEach((pane) => pane.addEventListener("scroll", () => {
  if (leading && leading !== pane) return;
  leading = pane;
  panes.filter((other) => other !== pane).forEach((other) => { other.scrollLeft = pane.scrollLeft; other.scrollTop = pane.scrollTop; });
  requestAnimationFrame(() => { leading = null; });
}));
addEventListener("resize", draw);

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "INPUT") return;
  const boundary = one("#boundary");
  const actions = {
    ArrowDown: () => choose(state.pair + 1), ArrowUp: () => choose(state.pair - 1),
    ArrowLeft: () => { boundary.value = Number(boundary.value) - 2; draw(); },
    ArrowRight: () => { boundary.value = Number(boundary.value) + 2; draw(); },
    s: () => mode("side"), o: () => mode("slider"), b: () => mode("blink"), d: () => mode("difference"),
    f: () => zoom("fit"), 1: () => zoom("1"), 2: () => zoom("2"), 4: () => zoom("4"),
    x: () => { if (state.mode === "blink") swap(); }, a: align,
  };
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

one("#hash").addEventListener("click", async () => {
  const rows = one("#digests tbody");
  rows.replaceChildren();
  let agreed = 0;
  for (const [id, exhibit] of Object.entries(data.exhibits)) {
    const bytes = Uint8Array.from(atob(exhibit.bytes), (c) => c.charCodeAt(0));
    const digest = [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((n) => n.toString(16).padStart(2, "0")).join("");
    const agrees = digest === exhibit.sha256;
    agreed += agrees;
    const row = rows.insertRow();
    row.insertCell().textContent = id;
    const code = document.createElement("code");
    code.textContent = exhibit.sha256;
    row.insertCell().append(code);
    row.insertCell().textContent = agrees ? "agrees" : "DIFFERS";
  }
  one("#digests").hidden = false;
  one("#hashed").textContent = `${agreed} of ${Object.keys(data.exhibits).length} embedded files agree with the case.`;
});

choose(0);
