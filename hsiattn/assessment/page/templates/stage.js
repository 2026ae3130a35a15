// The stage: zoom, moving about and the divider, by mouse, touch and keyboard.

const MOST_ZOOM = 64;  // screen pixels per pixel of the picture

function makeStage(stage, size, on) {
  const view = { x: 0, y: 0, scale: 1, divider: 0.5, cursor: null };
  const worlds = [...stage.querySelectorAll(".world")];
  const divider = stage.querySelector(".divider");
  const box = () => ({ width: stage.clientWidth, height: stage.clientHeight });
  let waiting = false;

  function fitScale() {
    const { width, height } = box();
    return Math.min(width / size.width, height / size.height);
  }

  function draw() {
    waiting = false;
    for (const world of worlds) world.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    stage.style.setProperty("--divider", `${100 * view.divider}%`);
    const percent = Math.round(100 * view.divider);
    divider.setAttribute("aria-valuenow", percent);
    divider.setAttribute("aria-valuetext", `Left picture on ${percent} % of the width`);
    stage.style.touchAction = view.scale > fitScale() * 1.01 ? "none" : "pan-y";
    on.drawn(view, fitScale());
  }

  function redraw() {
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  }

  // Keeps the picture in sight: centred where it is smaller than the stage, without gaps where it is larger.
  function settle() {
    const { width, height } = box();
    for (const [key, room, length] of [["x", width, size.width * view.scale], ["y", height, size.height * view.scale]]) {
      view[key] = length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, view[key]));
    }
    redraw();
  }

  function fit() {
    view.scale = fitScale();
    settle();
  }

  function zoomAt(factor, x, y) {
    const least = fitScale(), most = Math.max(MOST_ZOOM, least * 4);
    const scale = Math.min(most, Math.max(least, view.scale * factor));
    view.x = x - (x - view.x) * (scale / view.scale);
    view.y = y - (y - view.y) * (scale / view.scale);
    view.scale = scale;
    settle();
  }

  function zoom(factor) {
    const { width, height } = box();
    const at = view.cursor ? screenOf(view.cursor) : { x: width / 2, y: height / 2 };
    zoomAt(factor, at.x, at.y);
  }

  function screenOf(pixel) {
    return { x: view.x + (pixel.column + 0.5) * view.scale, y: view.y + (pixel.row + 0.5) * view.scale };
  }

  function place(event) {
    const bounds = stage.getBoundingClientRect();
    return { x: event.clientX - bounds.left - stage.clientLeft, y: event.clientY - bounds.top - stage.clientTop };
  }

  function pixelAt(at) {
    const column = Math.floor((at.x - view.x) / view.scale), row = Math.floor((at.y - view.y) / view.scale);
    return column >= 0 && row >= 0 && column < size.width && row < size.height ? { column, row } : null;
  }

  function moveDivider(share) {
    view.divider = Math.min(1, Math.max(0, share));
    redraw();
  }

  // The keyboard's pixel: the view follows it.
  function moveCursor(columns, rows) {
    const middle = pixelAt({ x: box().width / 2, y: box().height / 2 }) || { column: size.width >> 1, row: size.height >> 1 };
    const from = view.cursor;
    view.cursor = from ? {
      column: Math.min(size.width - 1, Math.max(0, from.column + columns)),
      row: Math.min(size.height - 1, Math.max(0, from.row + rows)),
    } : middle;
    const { width, height } = box(), at = screenOf(view.cursor), margin = Math.min(24, width / 4);
    view.x += Math.max(0, margin - at.x) - Math.max(0, at.x - width + margin);
    view.y += Math.max(0, margin - at.y) - Math.max(0, at.y - height + margin);
    settle();
    on.pixel(view.cursor, true);
  }

  // ------------------------------------------------------------------------------------------------ mouse and touch

  const fingers = new Map();
  let strayed = -Infinity;  // when the page was last scrolled by a wheel outside of the stage
  document.addEventListener("wheel", (event) => { if (!stage.contains(event.target)) strayed = event.timeStamp; }, { passive: true });
  stage.addEventListener("wheel", (event) => {
    if (event.timeStamp - strayed < 300 && !event.ctrlKey) { strayed = event.timeStamp; return; }  // a scroll that began elsewhere goes on
    const out = event.deltaY > 0;
    if (out && view.scale <= fitScale() * 1.001 && !event.ctrlKey) return;  // nothing left to zoom out of: the page scrolls
    event.preventDefault();
    const at = place(event), lines = event.deltaMode === 1 ? 30 : 1;
    zoomAt(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * 0.0025), at.x, at.y);
  }, { passive: false });

  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".divider") || event.button !== 0) return;
    fingers.set(event.pointerId, place(event));
    stage.setPointerCapture(event.pointerId);
    view.cursor = null;
  });
  stage.addEventListener("pointermove", (event) => {
    const at = place(event), before = fingers.get(event.pointerId);
    if (before && fingers.size === 1) {
      stage.classList.add("dragged");
      view.x += at.x - before.x;
      view.y += at.y - before.y;
      settle();
    } else if (before) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const stretch = Math.hypot(at.x - other.x, at.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
      zoomAt(stretch, (at.x + other.x) / 2, (at.y + other.y) / 2);
    }
    if (before) fingers.set(event.pointerId, at);
    if (!event.target.closest(".divider")) on.pixel(pixelAt(at), false);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, (event) => {
      fingers.delete(event.pointerId);
      if (!fingers.size) stage.classList.remove("dragged");
    });
  }
  stage.addEventListener("pointerleave", () => { if (!fingers.size) on.pixel(null, false); });
  stage.addEventListener("dblclick", (event) => {
    if (!event.target.closest(".divider")) { const at = place(event); zoomAt(2, at.x, at.y); }
  });

  divider.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    divider.focus({ preventScroll: true });
    divider.setPointerCapture(event.pointerId);
  });
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId)) moveDivider(place(event).x / box().width);
  });

  // ------------------------------------------------------------------------------------------------------- keyboard

  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1 }[event.key];
    const end = { Home: 0, End: 1 }[event.key];
    if (step === undefined && end === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    moveDivider(end === undefined ? view.divider + step : end);
  });
  stage.addEventListener("keydown", (event) => {
    if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 10 : 1;
    const steps = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
    if (steps) moveCursor(...steps);
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-" || event.key === "_") zoom(1 / 1.5);
    else if (event.key === "0" || event.key === "Home") fit();
    else if (event.key === "Escape") on.escape();
    else return;
    event.preventDefault();
  });
  stage.addEventListener("blur", () => { view.cursor = null; redraw(); });

  let known = 0;  // a stage that changes its size shows the whole picture again, unless somebody had zoomed in
  new ResizeObserver(() => {
    if (!known || view.scale <= known * 1.01) fit(); else settle();
    known = fitScale();
  }).observe(stage);

  return { view, fit, zoom, redraw, screenOf, box };
}
