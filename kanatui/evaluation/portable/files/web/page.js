// The page: strokes drawn with mouse, finger or pen, and the five likeliest characters.

import * as ort from "./ort/ort.wasm.min.mjs";
import { Board, read } from "./kanatui.js";

const canvas = document.getElementById("canvas");
const context = canvas.getContext("2d");
const status = document.getElementById("status");
const list = document.getElementById("readings");
const pen = document.getElementById("pen");

let about, session, board;
let strokes = []; // each { points: [[x, y], …] in shares of the board, width }
let drawing = null; // the stroke that the pen is drawing
let reading = false; // whether the model is at work
let waiting = false; // whether the drawing has changed since it began

async function load() {
  const response = await fetch("model.json");
  about = await response.json();
  board = new Board(about.board.side);
  pen.max = about.board.pens.length - 1;
  ort.env.wasm.wasmPaths = new URL("ort/", document.baseURI).href;
  ort.env.wasm.numThreads = 1; // more need headers that plain web servers do not send
  session = await ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] });
  document.getElementById("about").textContent = about.summary;
  document.title = about.title;
  say(invitation());
  if (strokes.length) update();
}

const invitation = () => `Draw one of ${about.labels.length.toLocaleString()} characters.`;

async function run(images, count) {
  const size = about.image_size;
  const tensor = new ort.Tensor("float32", images, [count, 1, size, size]);
  const results = await session.run({ images: tensor }, ["logits"]);
  return results.logits.data;
}

function say(text, doubt = false) {
  status.textContent = text;
  status.classList.toggle("doubt", doubt);
}

/** Read the drawing, and once more if it has changed in the meantime. */
async function update() {
  if (!session) return;
  waiting = true;
  if (reading) return;
  reading = true;
  while (waiting) {
    waiting = false;
    board.clear();
    for (const { points, width } of strokes) board.stroke(points, width);
    if (board.blank) {
      list.replaceChildren();
      say(invitation());
    } else {
      const found = await read(board, about, run);
      if (!waiting) show(found);
    }
  }
  reading = false;
}

function show({ readings, doubtful }) {
  say(doubtful ? about.question : "", doubtful);
  list.replaceChildren(
    ...readings.map(({ character, probability }) => {
      const item = document.createElement("li");
      const [name, bar, share] = ["b", "i", "span"].map((tag) => document.createElement(tag));
      name.textContent = character;
      name.lang = "ja";
      bar.style.width = `${100 * probability}%`;
      share.textContent = `${(100 * probability).toFixed(1)} %`;
      item.append(name, bar, share);
      return item;
    }),
  );
}

function draw() {
  const side = canvas.width;
  context.clearRect(0, 0, side, side);
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = getComputedStyle(document.body).color;
  for (const { points, width } of drawing ? [...strokes, drawing] : strokes) {
    context.lineWidth = width * side;
    context.beginPath();
    context.moveTo(points[0][0] * side, points[0][1] * side);
    for (const [x, y] of points.length > 1 ? points.slice(1) : points) context.lineTo(x * side, y * side);
    context.stroke();
  }
}

function pointOf(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  const widths = about ? about.board.pens : [0.06];
  drawing = { points: [pointOf(event)], width: widths[Math.min(pen.valueAsNumber, widths.length - 1)] };
  draw();
});

canvas.addEventListener("pointermove", (event) => {
  if (!drawing) return;
  // A fast pen moves several times between two events.
  const moves = event.getCoalescedEvents?.() ?? [];
  for (const move of moves.length ? moves : [event]) drawing.points.push(pointOf(move));
  draw();
});

function lift() {
  if (!drawing) return;
  strokes.push(drawing);
  drawing = null;
  draw();
  update();
}

canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);

function change(left) {
  strokes = left;
  drawing = null;
  draw();
  update();
}

document.getElementById("undo").addEventListener("click", () => change(strokes.slice(0, -1)));
document.getElementById("clear").addEventListener("click", () => change([]));
document.addEventListener("keydown", (event) => {
  if (event.key === "Delete" || event.key === "Escape") change([]);
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) change(strokes.slice(0, -1));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

load().catch((error) => {
  const opened = location.protocol === "file:";
  say(opened ? "Serve this folder: python -m http.server, then open http://localhost:8000" : `Cannot start: ${error.message}`, true);
});
