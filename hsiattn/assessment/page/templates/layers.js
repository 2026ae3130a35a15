// Painting: from the values of rasters to the pixels of a canvas.

const FAINT = 26;  // opacity of pixels that are not meant, of 255
const UNKNOWN = 255;  // confidence that is not known
const NOT_COUNTED = 0, RIGHT = 1, WRONG = 2;

function makePainter(data, rasters) {
  const { width, height } = data;
  const mapped = rasters.map.values, truth = rasters.reference.values;
  const roles = rasters.split && rasters.split.values;
  const verdict = judge();
  const confidence = rasters.confidence && spreadConfidence(rasters.confidence, data);
  const colors = new Uint32Array(256);
  data.classes.forEach((entry, place) => { if (place < 255) colors[place + 1] = packColor(...parseColor(entry.color), 255); });
  const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer);

  // What the matrix counts a pixel as. Where a split is known, it counts its test pixels alone.
  function judge() {
    const hasTest = !!roles && roles.includes(data.testRole), found = new Uint8Array(truth.length);
    for (let i = 0; i < found.length; i++) {
      if (truth[i] !== 0 && (!hasTest || roles[i] === data.testRole)) found[i] = mapped[i] === truth[i] ? RIGHT : WRONG;
    }
    return found;
  }

  // Pixels that are meant: null for all.
  function meant(show) {
    if (show.cell) {
      const { row, column } = show.cell;
      return (i) => mapped[i] === column && truth[i] === row && verdict[i] !== NOT_COUNTED;
    }
    return show.errorsOnly ? (i) => verdict[i] === WRONG : null;
  }

  function places(cell) {
    const found = [], inCell = meant({ cell });
    for (let i = 0; i < truth.length; i++) if (inCell(i)) found.push(i);
    return found;
  }

  function paintClasses(values, show) {
    const table = colors.map((color, code) => (show.hidden.has(code) ? 0 : color));
    const faint = table.map((color) => withAlpha(color, FAINT));
    const isMeant = meant(show);
    if (isMeant) {
      for (let i = 0; i < values.length; i++) pixels[i] = (isMeant(i) ? table : faint)[values[i]];
    } else if (show.fade && confidence && values === mapped) {
      const shades = Uint32Array.from({ length: 256 }, (_, percent) => (percent === UNKNOWN ? 255 : Math.round(40 + 2.15 * percent)) << 24 >>> 0);
      for (let i = 0; i < values.length; i++) {
        const color = table[values[i]];
        pixels[i] = color === 0 ? 0 : (color & 0xffffff) | shades[confidence[i]];
      }
    } else {
      for (let i = 0; i < values.length; i++) pixels[i] = table[values[i]];
    }
  }

  // Any other layer: colours by its values, without the pixels of classes that are switched off.
  function paintOther(values, table, classes, show) {
    const hidden = Uint8Array.from({ length: 256 }, (_, code) => (show.hidden.has(code) ? 1 : 0));
    const faint = table.map((color) => withAlpha(color, FAINT));
    const isMeant = meant(show);
    for (let i = 0; i < values.length; i++) {
      pixels[i] = hidden[classes[i]] ? 0 : (!isMeant || isMeant(i) ? table : faint)[values[i]];
    }
  }

  function confidenceColors() {
    const anchors = [[0, 34, 78], [87, 93, 109], [165, 156, 116], [254, 232, 56]];
    return Uint32Array.from({ length: 256 }, (_, percent) => {
      if (percent > 100) return 0;
      const at = (percent / 100) * (anchors.length - 1), low = Math.min(Math.floor(at), anchors.length - 2);
      return packColor(...[0, 1, 2].map((c) => Math.round(anchors[low][c] + (at - low) * (anchors[low + 1][c] - anchors[low][c]))), 255);
    });
  }

  // Paints a layer on a canvas of one pixel per pixel of the picture.
  function paint(canvas, layer, show) {
    if (layer === "map") paintClasses(mapped, show);
    else if (layer === "reference") paintClasses(truth, show);
    else if (layer === "confidence") paintOther(confidence, confidenceColors(), mapped, show);
    else if (layer === "split") paintOther(roles, Uint32Array.from(data.roles, (role) => packColor(...role.color)), truth, show);
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  function read(i) {
    const percent = confidence ? confidence[i] : UNKNOWN;
    return { mapped: mapped[i], truth: truth[i], confidence: percent === UNKNOWN ? null : percent, role: roles ? roles[i] : null };
  }

  return { paint, places, read };
}

function withAlpha(color, alpha) {
  return color === 0 ? 0 : ((color & 0xffffff) | (alpha << 24)) >>> 0;
}

// Confidence in per cent of every pixel; its picture may be coarser than the others.
function spreadConfidence(raster, { width, height, confidence: { step, factor } }) {
  const found = new Uint8Array(width * height);
  for (let row = 0, i = 0; row < height; row++) {
    const start = Math.floor(row / factor) * raster.width;
    for (let column = 0; column < width; column++, i++) {
      const percent = raster.values[start + Math.floor(column / factor)] * step;
      found[i] = percent > 100 ? UNKNOWN : percent;
    }
  }
  return found;
}
