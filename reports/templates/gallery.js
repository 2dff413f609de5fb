// Images: one at a time, a divider between any two of its pictures, their errors, and a lens at the same pixel of all.
for (const gallery of document.querySelectorAll(".gallery")) {
  const scenes = [...gallery.querySelectorAll(".scene")].map((node) => ({
    node,
    title: node.querySelector("h3").textContent,
    gain: Number(node.dataset.gain),
    overview: node.querySelector(".overview"),
    shots: [...node.querySelectorAll(".shot")].map((shot) => ({
      kind: shot.dataset.kind,
      isLead: "lead" in shot.dataset,
      name: shot.querySelector(".name").textContent,
      psnr: shot.querySelector(".psnr")?.textContent ?? "",
      frames: [...shot.querySelectorAll(".frame")],
      images: [...shot.querySelectorAll(".frame img")].map((image) => ({ image, alt: image.alt, source: image.src })),
      caption: shot.querySelector("figcaption"),
    })),
  }));
  const nZooms = Math.max(...scenes.map((scene) => scene.shots[0].images.length));
  const errorEnd = Number(gallery.dataset.errorEnd);
  const imageMenu = select(say("Image"), scenes.map((scene) => scene.title));
  const leftMenu = select(say("Left"), []);
  const rightMenu = select(say("Right"), []);
  const lensMenu = select(say("Lens"), [21, 15, 11, 7].map((n) => say("{n} × {n} pixels", { n })));
  const errorBox = make("input", { type: "checkbox" });
  const scaleNote = errorScale(errorEnd);
  const status = make("p", { className: "note told" });
  status.setAttribute("role", "status");
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
  const comparison = make("div", { className: "compare" }, overview, make("div", { className: "zoomed" }, zooms, range));
  gallery.classList.toggle("single", nZooms === 1);
  scenes[0].node.before(
    make("div", { className: "tools" }, imageMenu.label, leftMenu.label, rightMenu.label, lensMenu.label,
      make("label", { className: "check" }, errorBox, say("Show errors"))), status, scaleNote, comparison);

  const scene = () => scenes[imageMenu.list.selectedIndex];
  const title = (shot) => `${shot.name} ${shot.psnr}`.trim();
  const chosen = () => [leftMenu, rightMenu].map((side) => scene().shots[side.list.selectedIndex]);
  const moveDivider = () => {
    for (const { node } of stages) node.style.setProperty("--at", `${range.value}%`);
    const names = chosen().map(title);
    range.setAttribute("aria-valuetext", say("{n} % {left}, the rest {right}", { n: range.value, left: names[0], right: names[1] }));
  };
  const updateStages = () => {
    chosen().forEach((shot, side) => stages.forEach(({ node, pictures, corners }, zoom) => {
      node.hidden = !shot.images[zoom];
      if (node.hidden) return;
      const from = shot.images[zoom].image;
      Object.assign(pictures[side], { src: from.src, alt: from.alt, width: from.width, height: from.height });
      corners[side].textContent = shot.name;
    }));
    moveDivider();
  };
  // Errors are computed when they are first asked for, of one scene at a time.
  const updateErrors = async () => {
    const { shots } = scene();
    const clean = shots.at(-1).images;
    scaleNote.hidden = !errorBox.checked;
    const all = shots.flatMap((shot) => shot.images.map((own, zoom) => ({ own, truth: clean[zoom] })));
    if (errorBox.checked) {
      await Promise.all(all.map(async ({ own, truth }) => { own.error ??= await errorMap(storedPicture(own), storedPicture(truth), errorEnd); }));
    }
    for (const { own } of all) {
      own.image.src = errorBox.checked ? own.error.uri : own.source;
      own.image.alt = errorBox.checked ? say("Absolute error: {image}", { image: own.alt }) : own.alt;
    }
    updateStages();
    await Promise.all(all.map(({ own }) => own.image.decode()));
    lenses[imageMenu.list.selectedIndex].again();
  };
  const storedPicture = (own) => (own.copy ??= make("img", { src: own.source }));
  const changeScene = () => {
    scenes.forEach((each, at) => { each.node.hidden = at !== imageMenu.list.selectedIndex; });
    overview.replaceChildren(...(scene().overview ? [scene().overview] : []));
    overview.hidden = !scene().overview;
    // The same methods stay chosen from image to image; at first the degraded input against the lead, else the best.
    const formerNames = [leftMenu, rightMenu].map((side) => side.list.selectedOptions[0]?.dataset.name);
    const { shots } = scene();
    const score = (shot) => (shot.kind === "restored" ? Number.parseFloat(shot.psnr) : -Infinity);
    const best = shots.find((shot) => shot.isLead) ?? shots.reduce((a, b) => (score(b) > score(a) ? b : a));
    [leftMenu, rightMenu].forEach((side, k) => {
      side.list.replaceChildren(...shots.map((shot) => {
        const option = make("option", { textContent: title(shot) });
        option.dataset.name = shot.name;
        return option;
      }));
      const former = shots.findIndex((shot) => shot.name === formerNames[k]);
      side.list.selectedIndex = former >= 0 ? former : k === 0 ? 0 : shots.indexOf(best);
    });
    updateStages();
    updateErrors();
  };
  imageMenu.list.selectedIndex = scenes.indexOf(scenes.reduce((a, b) => (b.gain > a.gain ? b : a)));
  imageMenu.list.addEventListener("change", changeScene);
  leftMenu.list.addEventListener("change", updateStages);
  rightMenu.list.addEventListener("change", updateStages);
  range.addEventListener("input", moveDivider);
  errorBox.addEventListener("change", updateErrors);
  for (const { node } of stages) {
    const drag = (event) => {
      if (event.type === "pointermove" && !(event.buttons & 1)) return;
      const box = node.getBoundingClientRect();
      range.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
      moveDivider();
    };
    node.addEventListener("pointerdown", (event) => { event.preventDefault(); drag(event); node.setPointerCapture(event.pointerId); });
    node.addEventListener("pointermove", drag);
  }
  const lenses = scenes.map((each) => addLens(each, {
    side: () => [21, 15, 11, 7][lensMenu.list.selectedIndex],
    shows: (own, index) => (errorBox.checked && own.error
      ? say("Error {error}", { error: own.error.levels[index].toFixed(1) }) : ""),
    report: (text) => { status.textContent = text; },
  }));
  lensMenu.list.addEventListener("change", () => lenses[imageMenu.list.selectedIndex].again());
  changeScene();
}
