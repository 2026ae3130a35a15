// Values of a picture: read from the file itself, since a browser may change colours on their way to a script.

async function readRaster(picture) {
  const file = Uint8Array.from(atob(picture.src.slice(picture.src.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
  const view = new DataView(file.buffer);
  let width = 0, height = 0;
  const packed = [];
  for (let at = 8; at < file.length;) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (kind === "IHDR") {
      width = view.getUint32(at + 8);
      height = view.getUint32(at + 12);
    } else if (kind === "IDAT") {
      packed.push(file.subarray(at + 8, at + 8 + length));
    }
    at += 12 + length;
  }
  const unpacked = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(unpacked).arrayBuffer());
  const values = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const start = row * (width + 1);
    if (rows[start] !== 0) throw new Error("a filtered picture");
    values.set(rows.subarray(start + 1, start + 1 + width), row * width);
  }
  return { width, height, values };
}

// A colour as one number in the order of canvas pixels on little-endian machines.
function packColor(red, green, blue, alpha) {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function parseColor(text) {
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}
