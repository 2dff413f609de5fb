"use strict";
document.documentElement.classList.add("js");
const messages = JSON.parse(document.getElementById("messages")?.textContent ?? "{}");
// A text in the page's language, its {names} filled in.
const say = (text, values = {}) => (messages[text] ?? text).replace(/\{(\w+)\}/g, (all, name) => String(values[name] ?? all));
const make = (name, properties, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};
const select = (name, options) => {
  const list = make("select", {}, ...options.map((textContent) => make("option", { textContent })));
  return { list, label: make("label", {}, name, list) };
};
// Sorting: a click or Enter on a head sorts every body but the fixed one; without scripts the table is simply as given.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...[...table.tHead.rows].at(-1).cells];
  const key = (row, at) => {
    const cell = row.cells[at];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const number = text === "" ? NaN : Number(text);
    return Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) => {
    const numbers = typeof a === "number" && typeof b === "number";
    if (numbers) return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? 1 : -1;
    return a.localeCompare(b, "en", { numeric: true });
  };
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      // Numbers are mostly asked for from the highest down.
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      for (const body of table.tBodies) {
        if (body.classList.contains("fixed")) continue;
        const rows = [...body.rows].map((row) => [key(row, at), row]);
        rows.sort((a, b) => sign * compare(a[0], b[0]));
        body.append(...rows.map((pair) => pair[1]));
      }
    });
  });
}
// The section in view is marked in the contents.
const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
const sections = [...document.querySelectorAll("main section")];
const inView = new Set();
const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) inView.add(entry.target);
    else inView.delete(entry.target);
  }
  const first = sections.find((section) => inView.has(section));
  for (const [id, a] of links) {
    if (first?.id === id) a.setAttribute("aria-current", "true");
    else if (first) a.removeAttribute("aria-current");
  }
}, { rootMargin: "0px 0px -60% 0px" });
for (const section of sections) watch.observe(section);
// A link into a folded part unfolds it.
const unfold = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  target.querySelectorAll(":scope > details.fold").forEach((d) => { d.open = true; });
  for (let d = target.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
};
window.addEventListener("hashchange", unfold);
unfold();
// A printed page can't be unfolded.
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
