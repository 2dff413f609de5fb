// Images: one at a time, a divider between any two of its pictures, their errors, and a lens at the same pixel of all.
for (const gallery of document.querySelectorAll(".gallery")) {
  const scenes = [...gallery.querySelectorAll(".scene")].map((node) => ({
    node,
    title: node.querySelector("h3").textContent,
    gain: Number(node.dataset.gain),
    overview: node.querySelector(".overview"),
    shots: [...node.querySelectorAll(".shot")].map((shot) => ({
      kind: shot.dataset.kind,
      name: shot.querySelector(".name").textContent,
      psnr: shot.querySelector(".psnr")?.textContent ?? "",
      frames: [...shot.querySelectorAll(".frame")],
      images: [...shot.querySelectorAll(".frame img")].map((image) => ({ image, alt: image.alt, source: image.src })),
      caption: shot.querySelector("figcaption"),
    })),
  }));
  const nZooms = Math.max(...scenes.map((scene) => scene.shots[0].images.length));
  const end = Number(gallery.dataset.errorEnd);
  const pick = select(say("Image"), scenes.map((scene) => scene.title));
  const left = select(say("Left"), []);
  const right = select(say("Right"), []);
  const wide = select(say("Lens"), [21, 15, 11, 7].map((n) => say("{n} × {n} pixels", { n })));
  const asError = make("input", { type: "checkbox" });
  const scale = errorScale(end);
  const told = make("p", { className: "note told" });
  told.setAttribute("role", "status");
  const stages = Array.from({ length: nZooms }, (_, zoom) => {
    const [under, over] = [make("img", { alt: "" }), make("img", { alt: "", className: "over" })];
    const [first, second] = ["left", "right"].map((side) => make("span", { className: `corner ${side}` }));
    const node = make("div", { className: nZooms > 1 ? `stage crop-${zoom + 1}` : "stage" },
      under, over, make("span", { className: "divider" }), first, second);
    for (const corner of [first, second]) corner.setAttribute("aria-hidden", "true");
    return { node, pictures: [over, under], corners: [first, second] };
  });
  const range = make("input", { type: "range", min: "0", max: "100", step: "1", value: "50" });
  range.setAttribute("aria-label", say("Divider: how much of the left image is shown, in percent"));
  const overview = make("div", { className: "place" });
  const zooms = make("div", { className: "zooms" }, ...stages.map((stage) => stage.node));
  const compare = make("div", { className: "compare" }, overview, make("div", { className: "zoomed" }, zooms, range));
  gallery.classList.toggle("single", nZooms === 1);
  scenes[0].node.before(
    make("div", { className: "tools" }, pick.label, left.label, right.label, wide.label,
      make("label", { className: "check" }, asError, say("Show errors"))), told, scale, compare);

  const scene = () => scenes[pick.list.selectedIndex];
  const title = (shot) => `${shot.name} ${shot.psnr}`.trim();
  const chosen = () => [left, right].map((side) => scene().shots[side.list.selectedIndex]);
  const place = () => {
    for (const { node } of stages) node.style.setProperty("--at", `${range.value}%`);
    const names = chosen().map(title);
    range.setAttribute("aria-valuetext", say("{n} % {left}, the rest {right}", { n: range.value, left: names[0], right: names[1] }));
  };
  const put = () => {
    chosen().forEach((shot, side) => stages.forEach(({ node, pictures, corners }, zoom) => {
      node.hidden = !shot.images[zoom];
      if (node.hidden) return;
      const from = shot.images[zoom].image;
      Object.assign(pictures[side], { src: from.src, alt: from.alt, width: from.width, height: from.height });
      corners[side].textContent = shot.name;
    }));
    place();
  };
  // Errors are computed when they are first asked for, of one scene at a time.
  const swap = async () => {
    const { shots } = scene();
    const clean = shots.at(-1).images;
    scale.hidden = !asError.checked;
    const all = shots.flatMap((shot) => shot.images.map((own, zoom) => ({ own, truth: clean[zoom] })));
    if (asError.checked) {
      await Promise.all(all.map(async ({ own, truth }) => { own.error ??= await errorMap(pristine(own), pristine(truth), end); }));
    }
    for (const { own } of all) {
      own.image.src = asError.checked ? own.error.uri : own.source;
      own.image.alt = asError.checked ? say("Absolute error: {image}", { image: own.alt }) : own.alt;
    }
    put();
    await Promise.all(all.map(({ own }) => own.image.decode()));
    lenses[pick.list.selectedIndex].again();
  };
  const pristine = (own) => (own.copy ??= make("img", { src: own.source }));
  const turn = () => {
    scenes.forEach((each, at) => { each.node.hidden = at !== pick.list.selectedIndex; });
    overview.replaceChildren(...(scene().overview ? [scene().overview] : []));
    overview.hidden = !scene().overview;
    // The same methods stay chosen from image to image; at first the degraded input against the best method.
    const before = [left, right].map((side) => side.list.selectedOptions[0]?.dataset.name);
    const { shots } = scene();
    const score = (shot) => (shot.kind === "restored" ? Number.parseFloat(shot.psnr) : -Infinity);
    const best = shots.reduce((a, b) => (score(b) > score(a) ? b : a));
    [left, right].forEach((side, k) => {
      side.list.replaceChildren(...shots.map((shot) => {
        const option = make("option", { textContent: title(shot) });
        option.dataset.name = shot.name;
        return option;
      }));
      const kept = shots.findIndex((shot) => shot.name === before[k]);
      side.list.selectedIndex = kept >= 0 ? kept : k === 0 ? 0 : shots.indexOf(best);
    });
    put();
    swap();
  };
  pick.list.selectedIndex = scenes.indexOf(scenes.reduce((a, b) => (b.gain > a.gain ? b : a)));
  pick.list.addEventListener("change", turn);
  left.list.addEventListener("change", put);
  right.list.addEventListener("change", put);
  range.addEventListener("input", place);
  asError.addEventListener("change", swap);
  for (const { node } of stages) {
    const drag = (event) => {
      if (event.type === "pointermove" && !(event.buttons & 1)) return;
      const box = node.getBoundingClientRect();
      range.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
      place();
    };
    node.addEventListener("pointerdown", (event) => { event.preventDefault(); drag(event); node.setPointerCapture(event.pointerId); });
    node.addEventListener("pointermove", drag);
  }
  const lenses = scenes.map((each) => addLens(each, {
    side: () => [21, 15, 11, 7][wide.list.selectedIndex],
    shows: (own, index) => (asError.checked && own.error
      ? say("Error {error}", { error: own.error.levels[index].toFixed(1) }) : ""),
    report: (text) => { told.textContent = text; },
  }));
  wide.list.addEventListener("change", () => lenses[pick.list.selectedIndex].again());
  turn();
}
