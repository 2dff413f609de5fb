// Filtering: an input above every long table; all its words must stand in a row, and the count is announced.
const LONG = 8;
for (const table of document.querySelectorAll("table.sortable")) {
  const rows = [...table.tBodies].filter((body) => !body.classList.contains("fixed")).flatMap((body) => [...body.rows]);
  if (rows.length < LONG) continue;
  const field = make("input", { type: "search", autocomplete: "off", spellcheck: false });
  const told = make("span", { className: "quiet told" });
  told.setAttribute("role", "status");
  const apply = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    told.textContent = words.length ? say("{n} of {all} rows", { n: shown, all: rows.length }) : "";
  };
  field.addEventListener("input", apply);
  field.addEventListener("keydown", (event) => { if (event.key === "Escape") { field.value = ""; apply(); } });
  table.closest(".scroll").before(make("div", { className: "tools filter" }, make("label", {}, say("Filter rows"), field), told));
}
