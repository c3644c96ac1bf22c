// From pen strokes to readings, as on the drawing board of kanatui's app. Nothing here needs a screen or a network.
//
// `about` is model.json. Its table `board` holds the numbers that kanatui itself computes with.

/** Pen strokes as pixels: white ink (255) on black, side × side. */
export class Board {
  constructor(side) {
    this.side = side;
    this.clear();
  }

  clear() {
    this.pixels = new Uint8Array(this.side * this.side);
  }

  get blank() {
    return !this.pixels.some((value) => value > 127);
  }

  /** Draw a straight piece with round ends; all lengths are shares of the board's side. */
  line([x0, y0], [x1, y1], width) {
    const side = this.side;
    const radius = Math.max(width * side, 1) / 2;
    const [ax, ay, dx, dy] = [x0 * side, y0 * side, (x1 - x0) * side, (y1 - y0) * side];
    const length = dx * dx + dy * dy;
    const low = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - radius - 1));
    const high = (a, b) => Math.min(side, Math.ceil(Math.max(a, b) + radius + 1));
    for (let row = low(ay, ay + dy); row < high(ay, ay + dy); row++) {
      for (let column = low(ax, ax + dx); column < high(ax, ax + dx); column++) {
        const [x, y] = [column + 0.5 - ax, row + 0.5 - ay];
        const share = length ? Math.min(1, Math.max(0, (x * dx + y * dy) / length)) : 0;
        const distance = Math.hypot(x - share * dx, y - share * dy);
        const ink = Math.floor(Math.min(1, Math.max(0, radius + 0.5 - distance)) * 255 + 0.5);
        const place = row * side + column;
        this.pixels[place] = Math.max(this.pixels[place], ink);
      }
    }
  }

  /** Draw a stroke: a list of points; a single one is a dot. */
  stroke(points, width) {
    if (points.length === 1) this.line(points[0], points[0], width);
    for (let i = 1; i < points.length; i++) this.line(points[i - 1], points[i], width);
  }
}

// --- Pictures: { data: Float32Array, width, height }

const picture = (width, height) => ({ data: new Float32Array(width * height), width, height });

const FILTERS = {
  box: { reach: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  hamming: {
    reach: 1,
    at: (x) => {
      x = Math.abs(x) * Math.PI;
      if (x === 0) return 1;
      return x >= Math.PI ? 0 : (Math.sin(x) / x) * (0.54 + 0.46 * Math.cos(x));
    },
  },
};

/** The weights that each of `count` outputs gives to the inputs from `start` to `end`, of `length` in all. */
function weights(length, start, end, count, filter) {
  const scale = (end - start) / count;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: count }, (_, i) => {
    const centre = start + (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - filter.reach * stretch + 0.5));
    const last = Math.min(length, Math.floor(centre + filter.reach * stretch + 0.5));
    const own = Array.from({ length: last - first }, (_, k) => filter.at((first + k - centre + 0.5) / stretch));
    const sum = own.reduce((a, b) => a + b, 0) || 1;
    return { first, own: own.map((weight) => weight / sum) };
  });
}

/** Scale a box of a picture to width × height, one axis after the other, as Pillow does. */
function resized(from, [left, top, right, bottom], width, height, filter) {
  const wide = picture(width, from.height);
  weights(from.width, left, right, width, filter).forEach(({ first, own }, x) => {
    for (let y = 0; y < from.height; y++) {
      let sum = 0;
      for (let k = 0; k < own.length; k++) sum += own[k] * from.data[y * from.width + first + k];
      wide.data[y * width + x] = sum;
    }
  });
  const to = picture(width, height);
  weights(from.height, top, bottom, height, filter).forEach(({ first, own }, y) => {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k < own.length; k++) sum += own[k] * wide.data[(first + k) * width + x];
      to.data[y * width + x] = sum;
    }
  });
  return to;
}

/** A picture on a larger, black one. */
function padded(from, margin) {
  const to = picture(from.width + 2 * margin, from.height + 2 * margin);
  for (let y = 0; y < from.height; y++) {
    to.data.set(from.data.subarray(y * from.width, (y + 1) * from.width), (y + margin) * to.width + margin);
  }
  return to;
}

/** The largest value in a square window of some side around each pixel. */
function dilated(from, side) {
  if (side < 2) return from;
  const [before, after] = [Math.floor((side - 1) / 2), Math.floor(side / 2)];
  const across = (data, step, stride, count, lines, of) => {
    for (let line = 0; line < lines; line++) {
      for (let i = 0; i < count; i++) {
        let most = 0;
        for (let k = Math.max(0, i - before); k <= Math.min(count - 1, i + after); k++) {
          most = Math.max(most, of[line * stride + k * step]);
        }
        data[line * stride + i * step] = most;
      }
    }
  };
  const [wide, to] = [picture(from.width, from.height), picture(from.width, from.height)];
  across(wide.data, 1, from.width, from.width, from.height, from.data);
  across(to.data, from.width, 1, from.height, from.width, wide.data);
  return to;
}

/** The threshold that best separates two classes (Otsu 1979), from 256 levels of 0 … 1. */
function otsu(values) {
  const counts = new Float64Array(256);
  for (const value of values) counts[Math.floor(value * 255)] += 1;
  const total = values.length;
  const all = counts.reduce((sum, count, level) => sum + count * level, 0);
  let [below, mass, most] = [0, 0, 0];
  let best = [];
  for (let level = 0; level < 255; level++) {
    below += counts[level];
    mass += counts[level] * level;
    const above = total - below;
    const between = below && above ? below * above * (mass / below - (all - mass) / above) ** 2 : 0;
    if (between > most * (1 + 1e-9)) [most, best] = [between, []];
    if (between >= most * (1 - 1e-9)) best.push(level);
  }
  return (best.reduce((a, b) => a + b, 0) / best.length + 0.5) / 255;
}

/** The ink of a picture, white on black: soft pixels, their box, and the mean width of the pen. */
function findInk(work) {
  const most = work.data.reduce((a, b) => Math.max(a, b), 0);
  const values = work.data.map((value) => value / most);
  const threshold = otsu(values);
  const mask = picture(work.width, work.height);
  let [left, top, right, bottom] = [work.width, work.height, 0, 0];
  let [area, outline] = [0, 0];
  const at = (x, y) => (x < 0 || y < 0 || x >= work.width || y >= work.height ? 0 : mask.data[y * work.width + x]);
  const sure = [];
  values.forEach((value, place) => {
    if (value <= threshold) return;
    mask.data[place] = 1;
    sure.push(value);
    const [x, y] = [place % work.width, Math.floor(place / work.width)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
  });
  for (let y = 0; y <= work.height; y++) {
    for (let x = 0; x <= work.width; x++) {
      area += at(x, y);
      outline += Math.abs(at(x, y) - at(x - 1, y)) + Math.abs(at(x, y) - at(x, y - 1));
    }
  }
  sure.sort((a, b) => a - b);
  const level = (sure[sure.length >> 1] + sure[(sure.length - 1) >> 1]) / 2;
  const near = dilated(mask, 3);
  const low = 0.4 * threshold;
  const alpha = picture(work.width, work.height);
  values.forEach((value, place) => {
    alpha.data[place] = Math.min(1, Math.max(0, (value - low) / (level - low))) * near.data[place];
  });
  return { alpha, box: [left, top, right, bottom], pen: (2 * area) / Math.max((Math.PI / 4) * outline, 1) };
}

/** The image that a model sees of a board with ink: Uint8Array of size × size, white on black. */
export function prepare(board, size, numbers) {
  const whole = padded({ data: Float32Array.from(board.pixels), width: board.side, height: board.side }, board.side >> 2);
  return framed(zoomed(whole, [0, 0, whole.width, whole.height], numbers.work, 0), size, numbers);
}

/** Find the ink in a box of a picture; where it is small, look again at a crop around it. */
function zoomed(whole, box, most, depth) {
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const scale = Math.min(1, most / Math.max(width, height));
  const work = resized(whole, box, Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)), FILTERS.box);
  const ink = findInk(work);
  const [left, top, right, bottom] = ink.box;
  const length = Math.max(right - left, bottom - top);
  if (scale === 1 || length >= most / 2 || depth === 3) return ink;
  const margin = 0.2 * length;
  const nearer = [
    Math.max(box[0], box[0] + (left - margin) / scale),
    Math.max(box[1], box[1] + (top - margin) / scale),
    Math.min(box[2], box[0] + (right + margin) / scale),
    Math.min(box[3], box[1] + (bottom + margin) / scale),
  ];
  return zoomed(whole, nearer, most, depth + 1);
}

/** Scale ink to its share of the frame, thicken thin strokes, and centre it. */
function framed(ink, size, numbers) {
  const [left, top, right, bottom] = ink.box;
  const scale = (numbers.fill * size) / Math.max(right - left, bottom - top);
  const missing = (numbers.least_pen * size) / scale - ink.pen;
  let alpha = ink.alpha;
  if (missing > 0.5) {
    const side = Math.floor(missing) + 1;
    const [wide, wider] = [dilated(alpha, side), dilated(alpha, side + 1)];
    const part = missing - Math.floor(missing);
    alpha = { ...wide, data: wide.data.map((value, place) => value + (wider.data[place] - value) * part) };
  }
  const half = size / scale / 2;
  const margin = Math.ceil(half) + 1;
  const [x, y] = [(left + right) / 2 + margin, (top + bottom) / 2 + margin];
  const frame = resized(padded(alpha, margin), [x - half, y - half, x + half, y + half], size, size, FILTERS.hamming);
  return Uint8Array.from(frame.data, (value) => Math.round(Math.min(1, Math.max(0, value)) * 255));
}

/** The image and slightly changed copies of it, whose logits are averaged: Float32Array of n × size × size, 0 … 1. */
export function views(image, size, looks) {
  const found = new Float32Array((looks.length + 1) * size * size);
  found.set(Float32Array.from(image, (value) => value / 255));
  looks.forEach(([scale, degrees], number) => {
    const angle = (degrees * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const [x, y] = [(column + 0.5) * (2 / size) - 1, (row + 0.5) * (2 / size) - 1];
        const value = sampled(image, size, cos * x + sin * y, cos * y - sin * x);
        found[(number + 1) * size * size + row * size + column] = Math.round(value) / 255;
      }
    }
  });
  return found;
}

/** The value between pixels at x, y (-1 … 1 from edge to edge), black outside. */
function sampled(image, size, x, y) {
  const [u, v] = [((x + 1) * size - 1) / 2, ((y + 1) * size - 1) / 2];
  const [left, top] = [Math.floor(u), Math.floor(v)];
  const at = (row, column) => (row < 0 || column < 0 || row >= size || column >= size ? 0 : image[row * size + column]);
  const [right, down] = [u - left, v - top];
  const above = at(top, left) * (1 - right) + at(top, left + 1) * right;
  const below = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right;
  return above * (1 - down) + below * down;
}

// --- Readings

/** The mean of n rows of logits. */
export function meanOf(logits, count) {
  const classes = logits.length / count;
  return Float64Array.from({ length: classes }, (_, place) => {
    let sum = 0;
    for (let row = 0; row < count; row++) sum += logits[row * classes + place];
    return sum / count;
  });
}

function softmax(values) {
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const likelihood = values.map((value) => Math.exp(value - most));
  const sum = likelihood.reduce((a, b) => a + b, 0);
  return likelihood.map((value) => value / sum);
}

/** How far from even the probabilities of logits are, 0 … 1: 1 - H / ln C. */
function certainty(logits) {
  if (logits.length < 2) return 1;
  const entropy = softmax(logits).reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);
  return Math.min(1, Math.max(0, 1 - entropy / Math.log(logits.length)));
}

/** The probability that a kana on the board was meant to be small, by the size and place of its ink. */
function smallness(board, numbers) {
  let [left, top, right, bottom] = [board.side, board.side, -1, -1];
  board.pixels.forEach((value, place) => {
    if (value <= 127) return;
    const [x, y] = [place % board.side, Math.floor(place / board.side)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  });
  if (right < 0) return 0.5;
  const longer = Math.max(right - left, bottom - top) + 1;
  const centre = (top + bottom + 1) / 2;
  const score = numbers.small_side - longer / board.side + (centre / board.side - numbers.small_centre);
  return 1 / (1 + Math.exp(-numbers.small_steepness * score));
}

/** The likeliest characters of a board, from the mean logits of its views: readings, and whether to doubt them all. */
export function readings(logits, board, about, top = 5) {
  const { labels, board: numbers } = about;
  const own = softmax(logits.map((value) => value / about.temperature));
  const place = new Map(labels.map((label, index) => [label, index]));
  const small = smallness(board, numbers);
  for (const [little, normal] of numbers.small) {
    const [a, b] = [place.get(little), place.get(normal)];
    if (a === undefined || b === undefined) continue;
    [own[a], own[b]] = [(own[a] + own[b]) * small, (own[a] + own[b]) * (1 - small)];
  }
  const leader = labels.map((label) => numbers.alike[label] ?? label);
  const groups = new Map();
  leader.forEach((name, index) => groups.set(name, (groups.get(name) ?? 0) + own[index]));
  const folded = leader.map((name) => groups.get(name));
  const weight = labels.map((_, index) => (own[index] >= numbers.serious * folded[index] ? folded[index] : own[index]));
  const order = [...labels.keys()].sort((a, b) => weight[b] - weight[a] || own[b] - own[a]).slice(0, top);
  const leaders = order.map((index) => leader[index]);
  order.sort((a, b) => leaders.indexOf(leader[a]) - leaders.indexOf(leader[b]));
  return {
    readings: order.map((index) => ({ character: labels[index], probability: own[index], folded: Math.min(1, folded[index]) })),
    doubtful: certainty(logits) < about.threshold,
  };
}

/** Read a board; `run` takes Float32Array of n × size × size images and n, and gives their logits. */
export async function read(board, about, run) {
  const size = about.image_size;
  const seen = views(prepare(board, size, about.board), size, about.board.looks);
  const count = about.board.looks.length + 1;
  return readings(meanOf(await run(seen, count), count), board, about);
}
