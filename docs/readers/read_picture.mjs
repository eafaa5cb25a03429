// Pixels for an exported model, by the words of its export.json: in browsers and in Node, without a library.
//
//   const card = await (await fetch("export.json")).json();
//   const pixels = await readPicture(file, card.outside);            // a File or Blob, in a browser
//   const input = new ort.Tensor("uint8", pixels, [1, size, size, 3]);  // onnxruntime-web

const BITS = 22; // Pillow's weights are whole numbers of 2 ** -22

export async function readPicture(blob, outside) {
  const image = await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  return fitPixels(context.getImageData(0, 0, image.width, image.height).data, image.width, image.height, outside);
}

// rgba: bytes of an upright picture, row by row, alpha not multiplied in. Returns size * size * channels bytes.
export function fitPixels(rgba, width, height, outside) {
  const { mode, filter, pad_value: pad } = outside.resize;
  if (filter !== "bicubic") throw new Error(`this reader knows bicubic, not ${filter}`);
  if (!["RGB", "grey"].includes(outside.channels)) throw new Error(`this reader makes RGB and grey, not ${outside.channels}`);
  const channels = outside.channels === "grey" ? 1 : 3, size = outside.size;
  const plain = flatten(rgba, width * height, channels, outside.transparency.over);
  if (mode === "stretch") return resize(plain, width, height, channels, [0, 0, width, height], size, size);
  if (mode === "crop") {
    const side = Math.min(width, height), left = (width - side) / 2, top = (height - side) / 2;
    return resize(plain, width, height, channels, [left, top, left + side, top + side], size, size);
  }
  if (mode !== "pad") throw new Error(`this reader knows crop, pad and stretch, not ${mode}`);
  const wide = width >= height ? size : halfEven((width / height) * size);
  const high = height >= width ? size : halfEven((height / width) * size);
  const inner = resize(plain, width, height, channels, [0, 0, width, height], wide, high);
  const result = new Uint8Array(size * size * channels).fill(pad);
  const left = halfEven((size - wide) / 2), top = halfEven((size - high) / 2);
  for (let y = 0; y < high; y++) {
    result.set(inner.subarray(y * wide * channels, (y + 1) * wide * channels), ((top + y) * size + left) * channels);
  }
  return result;
}

function flatten(rgba, count, channels, over) {
  const result = new Uint8Array(count * channels);
  for (let i = 0; i < count; i++) {
    const alpha = rgba[4 * i + 3];
    const [red, green, blue] = [0, 1, 2].map((c) => Math.round((rgba[4 * i + c] * alpha + over[c] * (255 - alpha)) / 255));
    if (channels === 3) result.set([red, green, blue], 3 * i);
    else result[i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
  }
  return result;
}

function resize(pixels, width, height, channels, [left, top, right, bottom], wide, high) {
  const across = weigh(width, left, right, wide), down = weigh(height, top, bottom, high);
  const narrow = new Uint8Array(wide * height * channels);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < wide; x++)
      for (let c = 0; c < channels; c++)
        narrow[(y * wide + x) * channels + c] = sum(across[x], (i) => pixels[(y * width + i) * channels + c]);
  const result = new Uint8Array(wide * high * channels);
  for (let y = 0; y < high; y++)
    for (let x = 0; x < wide; x++)
      for (let c = 0; c < channels; c++)
        result[(y * wide + x) * channels + c] = sum(down[y], (i) => narrow[(i * wide + x) * channels + c]);
  return result;
}

function sum({ first, weights }, at) {
  let total = 2 ** (BITS - 1);
  for (let k = 0; k < weights.length; k++) total += weights[k] * at(first + k);
  return Math.max(0, Math.min(255, Math.floor(total / 2 ** BITS)));
}

function weigh(before, from, to, after) {
  const scale = (to - from) / after, wider = Math.max(scale, 1), support = 2 * wider;
  return Array.from({ length: after }, (_, i) => {
    const center = from + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const last = Math.min(before, Math.trunc(center + support + 0.5));
    const raw = Array.from({ length: last - first }, (_, k) => bicubic((first + k - center + 0.5) / wider));
    const whole = raw.reduce((a, b) => a + b, 0);
    return { first, weights: raw.map((w) => Math.trunc((w / whole) * 2 ** BITS + (w < 0 ? -0.5 : 0.5))) };
  });
}

function bicubic(x) {
  const a = -0.5, d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
}

function halfEven(x) {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}
