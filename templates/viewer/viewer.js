"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const stage = one("#stage"), left = one("#left"), right = one("#right");
const a = one("img.a"), b = one("img.b"), over = new Image();
over.className = "over";
over.alt = "";
const state = { pair: 0, mode: "side", zoom: "fit", timer: 0, shown: false };
const address = (id) => `data:${data.exhibits[id].type};base64,${data.exhibits[id].bytes}`;

data.pairs.forEach((pair, index) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(`${pair.a} and ${pair.b}`);
  const note = document.createElement("small");
  note.textContent = pair.values || data.exhibits[pair.b].title;
  button.append(note);
  button.addEventListener("click", () => choose(index));
  const row = document.createElement("li");
  row.append(button);
  one("#pairs").append(row);
});

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
  a.alt = data.exhibits[pair.a].alt;
  b.alt = over.alt = data.exhibits[pair.b].alt;
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
  if (together) stack.append(over); else over.remove();
  const size = scale(pane), first = data.exhibits[pair.a], second = data.exhibits[pair.b];
  a.style.width = `${first.width * size}px`;
  const fitted = state.zoom === "fit" && !together ? scaleOf(second, right.querySelector(".pane")) : size;
  b.style.width = `${second.width * fitted}px`;
  over.style.width = a.style.width; // laid over each other at equal width
  stage.classList.toggle("sharp", size >= 2 / window.devicePixelRatio);
  over.style.clipPath = state.mode === "slider" ? `inset(0 0 0 ${one("#boundary").value}%)` : "";
  over.style.visibility = state.mode === "blink" && !state.shown ? "hidden" : "visible";
  stack.style.filter = state.mode === "difference" ? `brightness(${one("#gain").value})` : "";
  one("#gained").textContent = one("#gain").value;
  const unlike = together && first.width !== second.width;
  one("#said").textContent = [pair.values, unlike ? `${pair.b} is shown at the width of ${pair.a}.` : ""].filter(Boolean).join(". ");
  if (state.mode !== "blink") stop();
}

function scaleOf(exhibit, pane) {
  return Math.min((pane.clientWidth - 2) / exhibit.width, (pane.clientHeight - 2) / exhibit.height);
}

function mode(name) { state.mode = name; draw(); }
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
    x: () => { if (state.mode === "blink") swap(); },
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
