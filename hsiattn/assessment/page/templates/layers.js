// Painting: from the values of rasters to the pixels of a canvas.

const FAINT = 26;  // opacity of pixels that are not meant, of 255

function makePainter(data, rasters) {
  const { width, height } = data;
  const mapped = rasters.map.values, truth = rasters.reference.values;
  const roles = rasters.split && rasters.split.values;
  const colors = new Uint32Array(256);
  data.classes.forEach((entry, place) => { if (place < 255) colors[place + 1] = packColor(...parseColor(entry.color), 255); });

  // Where a split is known, the matrix counts its test pixels alone.
  const hasTest = !!roles && roles.includes(data.testRole);
  const counted = (i) => truth[i] !== 0 && (!hasTest || roles[i] === data.testRole);

  const confidence = rasters.confidence && { ...rasters.confidence, ...data.confidence };
  function confidenceAt(i) {
    if (!confidence) return null;
    const row = Math.floor(i / width), column = i - row * width, factor = confidence.factor;
    const level = confidence.values[Math.floor(row / factor) * confidence.width + Math.floor(column / factor)];
    return level * confidence.step > 100 ? null : level * confidence.step;
  }

  function wanted(show, i) {
    if (show.cell) return mapped[i] === show.cell.column && truth[i] === show.cell.row && counted(i);
    return !show.errorsOnly || (counted(i) && mapped[i] !== truth[i]);
  }

  function places(cell) {
    const found = [];
    for (let i = 0; i < truth.length; i++) {
      if (truth[i] === cell.row && mapped[i] === cell.column && counted(i)) found.push(i);
    }
    return found;
  }

  function paintClasses(values, pixels, show) {
    const table = new Uint32Array(256);
    for (let code = 1; code < 256; code++) table[code] = show.hidden.has(code) ? 0 : colors[code];
    const selective = !!show.cell || show.errorsOnly;
    const fade = show.fade && confidence;
    for (let i = 0; i < values.length; i++) {
      const color = table[values[i]];
      if (!color) { pixels[i] = 0; continue; }
      let alpha = 255;
      if (selective && !wanted(show, i)) alpha = FAINT;
      else if (fade && values === mapped) alpha = 40 + 2.15 * (confidenceAt(i) ?? 100);
      pixels[i] = alpha === 255 ? color : ((color & 0xffffff) | (alpha << 24)) >>> 0;
    }
  }

  function paintConfidence(pixels, show) {
    const anchors = [[0, 34, 78], [87, 93, 109], [165, 156, 116], [254, 232, 56]];
    const table = Array.from({ length: 101 }, (_, percent) => {
      const at = (percent / 100) * (anchors.length - 1), low = Math.min(Math.floor(at), anchors.length - 2);
      return packColor(...[0, 1, 2].map((c) => Math.round(anchors[low][c] + (at - low) * (anchors[low + 1][c] - anchors[low][c]))), 255);
    });
    for (let i = 0; i < pixels.length; i++) {
      const percent = confidenceAt(i);
      pixels[i] = percent === null || show.hidden.has(mapped[i]) ? 0 : faded(table[percent], show, i);
    }
  }

  function paintSplit(pixels, show) {
    const table = data.roles.map((role) => packColor(...role.color));
    for (let i = 0; i < pixels.length; i++) {
      const color = show.hidden.has(truth[i]) ? 0 : table[roles[i]] || 0;
      pixels[i] = color ? faded(color, show, i) : 0;
    }
  }

  function faded(color, show, i) {
    const selective = !!show.cell || show.errorsOnly;
    return selective && !wanted(show, i) ? ((color & 0xffffff) | (FAINT << 24)) >>> 0 : color;
  }

  // Paints a layer on a canvas of one pixel per pixel of the picture.
  function paint(canvas, layer, show) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    if (layer === "map") paintClasses(mapped, pixels, show);
    else if (layer === "reference") paintClasses(truth, pixels, show);
    else if (layer === "confidence") paintConfidence(pixels, show);
    else if (layer === "split") paintSplit(pixels, show);
    context.putImageData(image, 0, 0);
  }

  function read(i) {
    return {
      mapped: mapped[i], truth: truth[i], confidence: confidenceAt(i), role: roles ? roles[i] : null,
    };
  }

  return { paint, places, read };
}
