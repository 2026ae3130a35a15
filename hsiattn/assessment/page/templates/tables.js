// Tables that sort, and the confusion matrix as shares and as a way to the pixels on the map.

function makeSortable(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortRows(table, body, heads, column));
  });
}

function sortRows(table, body, heads, column) {
  const rows = [...body.rows];
  const texts = rows.map((row) => row.cells[column].dataset.value ?? row.cells[column].textContent);
  const numeric = texts.every((text) => text === "" || !Number.isNaN(Number(text)));
  const before = heads[column].getAttribute("aria-sort");
  // the first click puts the largest figure, or the first name, on top
  const direction = before ? (before === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
  const sign = direction === "ascending" ? 1 : -1;
  const order = rows.map((row, place) => ({ row, text: texts[place], place }));
  order.sort((one, other) => {
    if (one.text === "" || other.text === "") return (one.text === "") - (other.text === "") || one.place - other.place;
    const compared = numeric ? one.text - other.text : one.text.localeCompare(other.text, "en", { numeric: true });
    return sign * compared || one.place - other.place;
  });
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", direction);
  body.append(...order.map((entry) => entry.row));
}

function startMatrix(data, viewer) {
  const table = document.getElementById("matrix");
  if (!table) return;
  const cells = [...table.querySelectorAll("td.cell")];
  for (const cell of cells) cell.dataset.text = cell.textContent.trim();
  const shares = document.getElementById("matrix-shares");
  if (shares) {
    shares.hidden = false;
    shares.addEventListener("change", (event) => showShares(cells, event.target.value));
  }
  if (viewer) makeCellsPress(data, table, cells, viewer);
}

function showShares(cells, of) {
  const totals = { rows: {}, columns: {} };
  for (const { dataset } of cells) {
    totals.rows[dataset.row] = (totals.rows[dataset.row] || 0) + Number(dataset.count);
    totals.columns[dataset.column] = (totals.columns[dataset.column] || 0) + Number(dataset.count);
  }
  for (const cell of cells) {
    const { row, column, count, text } = cell.dataset;
    const total = of === "rows" ? totals.rows[row] : totals.columns[column];
    const shown = of === "counts" ? text : total ? (100 * count / total).toFixed(1) : "–";
    (cell.querySelector("button") || cell).textContent = shown;
  }
}

// Every cell becomes a button. One of them is reached by Tab, the others from it by arrow keys.
function makeCellsPress(data, table, cells, viewer) {
  const name = (code) => (code ? data.classes[code - 1].name : "not classified");
  let pressed = null;
  const buttons = cells.map((cell) => {
    const { row, column, count, text } = cell.dataset;
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1;
    button.textContent = text;
    button.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-description", `Reference ${name(Number(row))}, map ${name(Number(column))}`);
    button.addEventListener("click", () => {
      const again = pressed === button;
      viewer.select(again ? null : { row: Number(row), column: Number(column) }, Number(count));
      if (again) return;
      pressed = button;
      button.setAttribute("aria-pressed", "true");
    });
    cell.replaceChildren(button);
    return button;
  });
  if (!buttons.length) return;
  buttons[0].tabIndex = 0;
  viewer.onSelect(() => { if (pressed) pressed.setAttribute("aria-pressed", "false"); pressed = null; });
  table.addEventListener("focusin", (event) => {
    if (!buttons.includes(event.target)) return;
    for (const button of buttons) button.tabIndex = button === event.target ? 0 : -1;
  });
  table.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(event.target), across = table.classList.contains("matrix") ? cellsInRow(cells) : 1;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (at < 0 || by === undefined) return;
    event.preventDefault();
    if (buttons[at + by]) buttons[at + by].focus();
  });
}

function cellsInRow(cells) {
  return cells.filter((cell) => cell.parentElement === cells[0].parentElement).length;
}
