// Tabs: one part at a time, chosen by buttons; without scripts all stand below each other under their titles.
for (const tabs of document.querySelectorAll(".tabs")) {
  const parts = [...tabs.querySelectorAll(":scope > .tab")];
  if (parts.length < 2) continue;
  const list = make("div", { className: "tablist" });
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", tabs.getAttribute("aria-label"));
  const buttons = parts.map((part, at) => {
    const button = make("button", { type: "button", id: `${tabs.dataset.name}-tab-${at}`, textContent: part.dataset.title });
    button.setAttribute("role", "tab");
    part.id = `${tabs.dataset.name}-part-${at}`;
    part.setAttribute("role", "tabpanel");
    part.setAttribute("aria-labelledby", button.id);
    button.setAttribute("aria-controls", part.id);
    return button;
  });
  const show = (chosen) => buttons.forEach((button, at) => {
    button.setAttribute("aria-selected", String(at === chosen));
    button.tabIndex = at === chosen ? 0 : -1;
    parts[at].hidden = at !== chosen;
  });
  buttons.forEach((button, at) => button.addEventListener("click", () => show(at)));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    show(at);
    buttons[at].focus();
  });
  list.append(...buttons);
  tabs.prepend(list);
  tabs.removeAttribute("role");
  tabs.removeAttribute("aria-label");
  show(0);
  window.addEventListener("beforeprint", () => parts.forEach((part) => { part.hidden = false; }));
}
