// Every number of a table of results leads back to its runs: a click or Enter opens what is known of them.
const origins = JSON.parse(document.getElementById("origins").textContent);
const dialog = document.getElementById("origin");
const listOf = (values) => values.filter(Boolean).join(", ") || "–";
const digits = (value) => (value === null || value === undefined ? "–" : value.toFixed(4));
const spreadOf = (metric, spread) => {
  if (!spread || spread[0] === null) return [];
  const [low, high, deviation] = spread.map(digits);
  const facts = [[say("{metric}: 95% interval", { metric }), `[${low}, ${high}]`]];
  if (spread[2] !== null) facts.push([say("{metric}: SD over seeds", { metric }), deviation]);
  return facts;
};
const openOrigin = (table, at, column, cell) => {
  const row = table.rows[at];
  const told = table.columns[column];
  const facts = [
    [say("Printed"), [...cell.querySelectorAll(".part")].map((part) => part.textContent).join(" / ")],
    [say("Protocol"), listOf(told.protocol)], [say("Test set"), listOf(told.sets)],
    [say("Seeds"), listOf(row.runs.map((run) => String(run.seed)))],
    [say("n"), say("{images} images of {scenes} scenes", told)],
    ...origins.metrics.flatMap((metric, at) => spreadOf(metric, row.spread[column][at])),
  ];
  const list = make("dl", {}, ...facts.map(([name, text]) =>
    make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: text }))));
  const heads = [say("Seed"), say("Run"), ...origins.metrics, say("Commit"), say("Device")];
  const body = row.runs.map((run) => {
    const known = origins.runs[run.run] ?? {};
    return [run.seed, run.run, ...run.means[column].map(digits), known.commit ?? "", known.device ?? ""];
  });
  const line = (kind, values) => make("tr", {}, ...values.map((value) => make(kind, { textContent: String(value) })));
  const head = line("th", heads);
  for (const each of head.cells) each.scope = "col";
  const scroll = make("div", { className: "scroll", tabIndex: 0 },
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...body.map((values) => line("td", values)))));
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", say("Runs behind this number"));
  document.getElementById("origin-title").textContent = `${row.variant} · ${told.label}`;
  document.getElementById("origin-content").replaceChildren(list, scroll);
  dialog.showModal();
};
for (const element of document.querySelectorAll("table[data-origins]")) {
  const table = origins.tables[Number(element.dataset.origins)];
  if (!table) continue;
  const buttons = [];
  const first = Number(element.dataset.first);
  for (const line of element.querySelectorAll("tr[data-row]")) {
    const at = Number(line.dataset.row);
    if (!table.rows[at]) continue;
    [...line.cells].slice(first, first + table.columns.length).forEach((cell, column) => {
      if (cell.dataset.sort === undefined) return;
      const button = make("button", { type: "button", className: "origin", tabIndex: -1 }, ...cell.childNodes);
      button.addEventListener("click", () => openOrigin(table, at, column, button));
      cell.replaceChildren(button);
      buttons.push(button);
    });
  }
  // One stop for Tab, arrow keys from cell to cell: dozens of stops would stand between a reader and the next section.
  if (buttons.length) buttons[0].tabIndex = 0;
  element.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const cell = event.target.closest("td");
    if (!step || !event.target.matches("button.origin")) return;
    event.preventDefault();
    const lines = [...element.querySelectorAll("tr[data-row]")].filter((line) => !line.hidden && line.querySelector("button.origin"));
    const next = lines[lines.indexOf(cell.parentElement) + step[0]]?.cells[cell.cellIndex + step[1]]?.querySelector("button.origin");
    if (!next) return;
    for (const button of buttons) button.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
