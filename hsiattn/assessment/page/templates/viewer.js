// The viewer of map and reference: its switches, its read-out, and the cell of the confusion matrix that lights up.

const MOST_MARKS = 20000;  // more pixels than that are seen without marks

async function startViewer(data) {
  const root = document.getElementById("viewer");
  if (!root || typeof DecompressionStream === "undefined") return null;
  const rasters = {};
  for (const name of ["map", "reference", "confidence", "split"]) {
    const picture = document.getElementById(`layer-${name}`);
    if (picture) rasters[name] = await readRaster(picture);
  }
  const by = (id) => document.getElementById(id);
  const painter = makePainter(data, rasters);
  const show = { hidden: new Set(), errorsOnly: false, fade: false, cell: null };
  const sides = ["left", "right"].map((side) => ({
    canvas: by(`${side}-canvas`), select: by(`${side}-layer`), label: by(`${side}-label`),
  }));
  const marks = by("marks"), opacity = by("opacity");
  let marked = [];

  root.hidden = false;
  document.documentElement.classList.add("with-script");
  for (const side of sides) { side.canvas.width = data.width; side.canvas.height = data.height; }
  const quicklook = by("layer-quicklook"), scenes = [...root.querySelectorAll(".scene")];
  for (const scene of scenes) {
    scene.src = quicklook.src;
    scene.style.width = `${data.width}px`;
    scene.style.height = `${data.height}px`;
  }

  const stage = makeStage(by("stage"), data, {
    drawn(view, fitScale) {
      by("zoom-level").textContent = `${Math.round((100 * view.scale) / fitScale)} %`;
      for (const scene of scenes) scene.style.imageRendering = view.scale > 4 ? "pixelated" : "auto";
      drawMarks(view);
    },
    pixel(pixel, byKeyboard) { tell(pixel, byKeyboard); },
    escape() { select(null); },
  });

  // ------------------------------------------------------------------------------------------------------- painting

  let waiting = false;
  function repaint() {
    if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; paintBoth(); }); }
  }

  function paintBoth() {
    const shown = sides.map((side) => side.select.value);
    sides.forEach((side, place) => {
      const layer = shown[place];
      side.label.textContent = side.select.selectedOptions[0].textContent;
      side.canvas.hidden = layer === "quicklook";
      if (quicklook) side.canvas.parentElement.querySelector(".scene").hidden = !side.canvas.hidden;
      if (layer !== "quicklook") painter.paint(side.canvas, layer, show);
    });
    for (const [id, layer] of [["split-legend", "split"], ["confidence-legend", "confidence"]]) {
      if (by(id)) by(id).hidden = !shown.includes(layer);
    }
    setOpacity();
    stage.redraw();
  }

  function setOpacity() {
    for (const side of sides) {
      const overScene = opacity && ["map", "reference"].includes(side.select.value);
      side.canvas.style.opacity = overScene ? opacity.value / 100 : 1;
    }
  }

  // Few pixels of a large map would be smaller than a pixel of the screen: they get marks of their own.
  function drawMarks(view) {
    const { width, height } = stage.box(), density = window.devicePixelRatio || 1;
    if (marks.width !== Math.round(width * density)) marks.width = Math.round(width * density);
    if (marks.height !== Math.round(height * density)) marks.height = Math.round(height * density);
    const context = marks.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    const side = Math.max(view.scale, 5);
    if (marked.length <= MOST_MARKS && view.scale < 12) {
      for (const [color, more] of [["#ffffff", 1.5], ["#000000", 0.5], ["#ff00c8", -0.5]]) {
        context.fillStyle = color;
        for (const i of marked) {
          const at = stage.screenOf({ column: i % data.width, row: Math.floor(i / data.width) });
          if (at.x < -side || at.y < -side || at.x > width + side || at.y > height + side) continue;
          const half = Math.max(0.5, side / 2 + more);
          context.fillRect(at.x - half, at.y - half, 2 * half, 2 * half);
        }
      }
    }
    if (view.cursor) {
      const at = stage.screenOf(view.cursor), half = Math.max(view.scale / 2, 5);
      for (const [color, line] of [["#ffffff", 5], ["#000000", 2]]) {
        context.strokeStyle = color;
        context.lineWidth = line;
        context.strokeRect(at.x - half, at.y - half, 2 * half, 2 * half);
      }
    }
  }

  // ------------------------------------------------------------------------------------------------------- read-out

  const readout = by("readout"), idle = readout.textContent;
  function tell(pixel, byKeyboard) {
    readout.setAttribute("aria-live", byKeyboard ? "polite" : "off");
    if (!pixel) { readout.textContent = idle; return; }
    const found = painter.read(pixel.row * data.width + pixel.column);
    const name = (code, none) => (code ? data.classes[code - 1].name : none);
    const row = pixel.row * data.step, column = pixel.column * data.step;
    const parts = [
      ["Map", name(found.mapped, "not classified")],
      ["Reference", name(found.truth, "not labelled")],
    ];
    if (found.confidence !== null) parts.push(["Confidence", `about ${found.confidence} %`]);
    if (found.role) parts.push(["Split", data.roles[found.role].name]);
    parts.push(["Row", row], ["Column", column], ...coordinates(data, row, column));
    readout.replaceChildren(...parts.flatMap(([label, value], place) => {
      const bold = document.createElement("b");
      bold.textContent = value;
      return [`${place ? " · " : ""}${label} `, bold];
    }));
  }

  // ------------------------------------------------------------------------------------------------------- switches

  const switches = [...root.querySelectorAll(".class-switch")];
  function switchClass(box) {
    if (box.checked) show.hidden.delete(Number(box.value)); else show.hidden.add(Number(box.value));
    repaint();
  }
  for (const box of switches) box.addEventListener("change", () => switchClass(box));
  for (const [id, checked] of [["all-classes", true], ["no-classes", false]]) {
    by(id).addEventListener("click", () => { for (const box of switches) { box.checked = checked; switchClass(box); } });
  }
  for (const side of sides) side.select.addEventListener("change", repaint);
  by("errors-only").addEventListener("change", (event) => { show.errorsOnly = event.target.checked; repaint(); });
  if (by("fade")) by("fade").addEventListener("change", (event) => { show.fade = event.target.checked; repaint(); });
  if (opacity) opacity.addEventListener("input", setOpacity);
  by("zoom-in").addEventListener("click", () => stage.zoom(1.5));
  by("zoom-out").addEventListener("click", () => stage.zoom(1 / 1.5));
  by("zoom-fit").addEventListener("click", () => stage.fit());

  // ------------------------------------------------------------------------------------- a cell of the confusion matrix

  const listeners = [];
  function select(cell, count) {
    show.cell = cell;
    marked = cell ? painter.places(cell) : [];
    for (const listener of listeners) listener(cell);
    report(cell, count);
    repaint();
  }

  function report(cell, count) {
    const name = (code) => (code ? data.classes[code - 1].name : "not classified");
    const texts = [by("selection"), by("matrix-selection")];
    for (const text of texts) text.replaceChildren();
    if (!cell) return;
    const number = (value) => value.toLocaleString("en").replaceAll(",", "\u202f");
    const shown = marked.length === count ? `${number(count)} ${count === 1 ? "pixel" : "pixels"}`
      : `${number(marked.length)} of ${number(count)} pixels`;
    const words = `Shown: ${shown} of ${name(cell.row)} in the reference, ${name(cell.column)} on the map. `;
    const button = (label, action) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = label;
      made.addEventListener("click", action);
      return made;
    };
    texts[0].append(words, button("Show all pixels", () => { select(null); by("stage").focus(); }));
    texts[1].append(words, button("Go to the map", () => {
      by("map-section").scrollIntoView({ block: "start" });
      by("stage").focus({ preventScroll: true });
    }), button("Show all pixels", () => { select(null); by("matrix").querySelector('button[tabindex="0"]').focus(); }));
  }

  paintBoth();
  stage.fit();
  return { select, onSelect: (listener) => listeners.push(listener) };
}

// Coordinates of the centre of a pixel of the map, labelled.
function coordinates(data, row, column) {
  if (!data.transform) return [];
  const [a, b, c, d, e, f] = data.transform;
  const x = a * (column + 0.5) + b * (row + 0.5) + c, y = d * (column + 0.5) + e * (row + 0.5) + f;
  const side = Math.hypot(a, d);
  const digits = Math.max(0, Math.min(8, 1 - Math.floor(Math.log10(side || 1))));
  if (data.geographic) {
    const degrees = (value, positive, negative) => `${Math.abs(value).toFixed(digits)}° ${value < 0 ? negative : positive}`;
    return [["Longitude", degrees(x, "E", "W")], ["Latitude", degrees(y, "N", "S")]];
  }
  return [["x", x.toFixed(digits)], ["y", y.toFixed(digits)]];
}
