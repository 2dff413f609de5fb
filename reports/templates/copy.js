// Copies of a table: its LaTeX as made for a paper, or its cells as CSV, numbers unrounded.
const copied = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = make("textarea", { value: text });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
};
const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const asCsv = (table) => {
  const heads = [...[...table.tHead.rows].at(-1).cells].map((cell) => cell.querySelector("button")?.textContent ?? cell.textContent);
  const rows = [...table.tBodies].flatMap((body) => [...body.rows])
    .map((row) => [...row.cells].map((cell) => cell.dataset.sort ?? cell.textContent));
  return [heads, ...rows].map((row) => row.map((text) => quoted(text.trim())).join(",")).join("\n") + "\n";
};
for (const table of document.querySelectorAll("table[data-latex]")) {
  const told = make("span", { className: "quiet told" });
  told.setAttribute("role", "status");
  const button = (label, text) => {
    const one = make("button", { type: "button", className: "plain", textContent: label });
    one.addEventListener("click", async () => { await copied(text()); told.textContent = say("Copied"); });
    return one;
  };
  table.closest(".scroll").after(make("div", { className: "tools copy" },
    button(say("Copy LaTeX"), () => table.dataset.latex), button(say("Copy CSV"), () => asCsv(table)), told));
}
