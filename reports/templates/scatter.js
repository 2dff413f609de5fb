// t-SNE: the same points at several perplexities; a point under the pointer is marked in every panel.
const scatterData = document.getElementById("scatter-data");
if (scatterData) {
  const { conditions, panels, same_patches: samePatches } = JSON.parse(scatterData.textContent);
  const root = document.querySelector(".planes");
  const SVG = root.querySelector("svg").namespaceURI;
  const SIDE = 300, EDGE = 12;
  const draw = (name, attributes) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    return node;
  };
  const shapes = {
    o: (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
    v: (r) => `M${-r},${-r}H${r}L0,${r}Z`,
    s: (r) => `M${-r},${-r}H${r}V${r}H${-r}Z`,
    D: (r) => `M0,${-1.3 * r}L${1.3 * r},0L0,${1.3 * r}L${-1.3 * r},0Z`,
    P: (r) => `M${-r / 2},${-r}h${r}v${r / 2}h${r / 2}v${r}h${-r / 2}v${r / 2}h${-r}v${-r / 2}h${-r / 2}v${-r}h${r / 2}Z`,
    X: (r) => `M${-r},${-r}L${r},${r}L${r},${-r}L${-r},${r}Z`,
  };
  const all = [...new Set(panels.flatMap((panel) => Object.keys(panel.planes)))].map(Number).sort((a, b) => a - b);
  const choice = make("fieldset", {}, make("legend", { textContent: say("Perplexity") }));
  const radios = all.map((perplexity, at) => {
    const radio = make("input", { type: "radio", name: "perplexity", value: String(perplexity), checked: at === all.length >> 1 });
    choice.append(make("label", {}, radio, ` ${perplexity}`));
    return radio;
  });
  const told = make("p", { className: "note told" });
  told.setAttribute("role", "status");
  const drawn = panels.map((panel) => {
    const plane = draw("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img" });
    const marks = panel.labels.map((label) => {
      const { colour, marker } = conditions[label];
      const mark = draw("path", { d: (shapes[marker] ?? shapes.X)(3.4), fill: colour });
      plane.append(mark);
      return mark;
    });
    const caption = make("figcaption", {}, make("b", { textContent: panel.variant }),
      ` · ${panel.layer} · `, say("seed {seed}", { seed: panel.seed ?? "?" }));
    return { panel, plane, marks, figure: make("figure", {}, caption, plane) };
  });
  const now = () => radios.find((radio) => radio.checked).value;
  const place = () => {
    for (const { panel, plane, marks } of drawn) {
      const points = panel.planes[now()];
      plane.setAttribute("aria-label", points
        ? say("t-SNE of {variant}, {layer}: {n} patches at perplexity {p}", { variant: panel.variant, layer: panel.layer, n: points.length, p: now() })
        : say("Too few patches for perplexity {p}", { p: now() }));
      marks.forEach((mark, k) => {
        mark.toggleAttribute("hidden", !points);
        if (points) {
          const [x, y] = points[k].map((v) => EDGE + v * (SIDE - 2 * EDGE));
          mark.setAttribute("transform", `translate(${x.toFixed(1)} ${(SIDE - y).toFixed(1)})`);
        }
      });
    }
  };
  let only = -1;
  const light = (from, k) => {
    for (const each of drawn) {
      each.marks.forEach((mark, at) => {
        const mine = only < 0 || each.panel.labels[at] === only;
        const lit = at === k && (each === from || samePatches);
        mark.setAttribute("class", `${mine || lit ? "" : "dim"} ${lit ? "lit" : ""}`.trim());
      });
    }
    told.textContent = from
      ? say("{condition}, patch {k} of {variant}", { condition: conditions[from.panel.labels[k]].label, k: k + 1, variant: from.panel.variant })
      : only >= 0 ? say("Only {condition} is shown in full colour", { condition: conditions[only].label }) : "";
  };
  const keys = conditions.map(({ label, colour, marker }, at) => {
    const icon = draw("svg", { viewBox: "-6 -6 12 12", width: 14, height: 14, "aria-hidden": "true" });
    icon.append(draw("path", { d: (shapes[marker] ?? shapes.X)(4.2), fill: colour }));
    const key = make("button", { type: "button", className: "key" }, icon, ` ${label}`);
    key.setAttribute("aria-pressed", "false");
    key.addEventListener("click", () => {
      only = only === at ? -1 : at;
      keys.forEach((each, k) => each.setAttribute("aria-pressed", String(k === only)));
      light(null, -1);
    });
    return key;
  });
  for (const each of drawn) {
    each.plane.addEventListener("pointermove", (event) => {
      const points = each.panel.planes[now()];
      if (!points) return;
      const box = each.plane.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * SIDE, y = ((event.clientY - box.top) / box.height) * SIDE;
      let nearest = -1, least = 10 ** 2;
      points.forEach(([px, py], k) => {
        const far = (EDGE + px * (SIDE - 2 * EDGE) - x) ** 2 + (SIDE - EDGE - py * (SIDE - 2 * EDGE) - y) ** 2;
        if (far < least) { least = far; nearest = k; }
      });
      light(nearest < 0 ? null : each, nearest);
    });
    each.plane.addEventListener("pointerleave", () => light(null, -1));
  }
  for (const radio of radios) radio.addEventListener("change", place);
  const legend = make("div", { className: "keys" }, ...keys);
  legend.setAttribute("role", "group");
  legend.setAttribute("aria-label", say("Show one condition alone"));
  root.before(make("div", { className: "tools" }, choice));
  root.append(legend, make("div", { className: "panels" }, ...drawn.map((each) => each.figure)));
  root.after(told);
  place();
}
