// Starts what the page has. Without script, or where one part fails, the page stays as readable as it was written.

async function start() {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);
  let viewer = null;
  try {
    viewer = await startViewer(data);
  } catch (error) {
    document.documentElement.classList.remove("with-script");
    const root = document.getElementById("viewer");
    if (root) root.hidden = true;
    console.warn("the viewer does not start:", error);
  }
  startMatrix(data, viewer);
  document.documentElement.dataset.ready = "true";
}

start();
