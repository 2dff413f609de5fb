// Images: one at a time, a divider between any two of its pictures, and a lens at the same pixel of all.
for (const gallery of document.querySelectorAll(".gallery")) {
  const scenes = [...gallery.querySelectorAll(".scene")];
  const titles = scenes.map((scene) => scene.querySelector("h3").textContent);
  const pick = select(say("Image"), titles);
  const left = select(say("Left"), []);
  const right = select(say("Right"), []);
  const under = make("img", { alt: "" });
  const over = make("img", { alt: "", className: "over" });
  const stage = make("div", { className: "stage" }, under, over, make("span", { className: "divider" }));
  const range = make("input", { type: "range", min: "0", max: "100", step: "1", value: "50" });
  range.setAttribute("aria-label", say("Divider: how much of the left image is shown, in percent"));
  const wide = select(say("Lens"), [21, 15, 11, 7].map((n) => say("{n} × {n} pixels", { n })));
  const told = make("p", { className: "note told" });
  told.setAttribute("role", "status");
  gallery.querySelector(".scene").before(
    make("div", { className: "tools" }, pick.label, left.label, right.label, wide.label), told,
    make("div", { className: "compare" }, stage, range));

  const shots = () => [...scenes[pick.list.selectedIndex].querySelectorAll(".shot")];
  const title = (shot) => [".name", ".psnr"].map((part) => shot.querySelector(part)?.textContent ?? "").join(" ").trim();
  const place = () => {
    stage.style.setProperty("--at", `${range.value}%`);
    const names = [left, right].map((side) => side.list.selectedOptions[0]?.textContent ?? "");
    range.setAttribute("aria-valuetext", say("{n} % {left}, the rest {right}", { n: range.value, left: names[0], right: names[1] }));
  };
  const put = () => {
    const mine = shots();
    for (const [side, picture] of [[left, over], [right, under]]) {
      const from = mine[side.list.selectedIndex].querySelector("img");
      picture.src = from.src;
      picture.alt = from.alt;
      picture.width = from.naturalWidth || from.width;
      picture.height = from.naturalHeight || from.height;
    }
    place();
  };
  const turn = () => {
    scenes.forEach((scene, at) => { scene.hidden = at !== pick.list.selectedIndex; });
    // The same methods stay chosen from image to image; at first the degraded input against the best method.
    const before = [left, right].map((side) => side.list.selectedOptions[0]?.dataset.name);
    const mine = shots();
    const names = mine.map((shot) => shot.querySelector(".name").textContent);
    const score = (shot) => shot.dataset.kind === "restored" ? Number.parseFloat(shot.querySelector(".psnr").textContent) : -Infinity;
    const best = mine.reduce((a, b) => (score(b) > score(a) ? b : a));
    [left, right].forEach((side, k) => {
      side.list.replaceChildren(...mine.map((shot, at) => {
        const option = make("option", { textContent: title(shot) });
        option.dataset.name = names[at];
        return option;
      }));
      const kept = names.indexOf(before[k]);
      side.list.selectedIndex = kept >= 0 ? kept : k === 0 ? 0 : mine.indexOf(best);
    });
    put();
  };
  const gain = (scene) => Number(scene.dataset.gain);
  pick.list.selectedIndex = scenes.indexOf(scenes.reduce((a, b) => (gain(b) > gain(a) ? b : a)));
  pick.list.addEventListener("change", turn);
  left.list.addEventListener("change", put);
  right.list.addEventListener("change", put);
  range.addEventListener("input", place);
  const drag = (event) => {
    if (event.type === "pointermove" && !(event.buttons & 1)) return;
    const box = stage.getBoundingClientRect();
    range.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
    place();
  };
  stage.addEventListener("pointerdown", (event) => { event.preventDefault(); drag(event); stage.setPointerCapture(event.pointerId); });
  stage.addEventListener("pointermove", drag);

  // Lenses are drawn from the pictures themselves, so each shows exactly the pixels that a run wrote.
  const SIDE = 210;
  const lenses = scenes.map((scene) => {
    const frames = [...scene.querySelectorAll(".frame")].map((frame) => {
      const lens = make("canvas", { className: "lens", width: SIDE, height: SIDE, hidden: true });
      lens.setAttribute("aria-hidden", "true");
      frame.append(lens);
      const colour = make("span", { className: "rgb" });
      frame.parentElement.querySelector("figcaption").append(colour);
      return { frame, image: frame.querySelector("img"), lens, colour, ink: lens.getContext("2d", { willReadFrequently: true }) };
    });
    const group = scene.querySelector(".shots");
    group.tabIndex = 0;
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", say("Lens over all images: arrow keys move it by a pixel, with Shift by eight, Escape hides it"));
    const state = { x: -1, y: -1 };
    const hide = () => {
      for (const each of frames) { each.lens.hidden = true; each.colour.textContent = ""; }
      told.textContent = "";
    };
    const show = (x, y) => {
      const { naturalWidth: width, naturalHeight: height } = frames[0].image;
      state.x = Math.min(Math.max(x, 0), width - 1);
      state.y = Math.min(Math.max(y, 0), height - 1);
      const n = [21, 15, 11, 7][wide.list.selectedIndex];
      const unit = SIDE / n;
      for (const { image, lens, colour, ink } of frames) {
        ink.imageSmoothingEnabled = false;
        ink.fillStyle = "#808080";
        ink.fillRect(0, 0, SIDE, SIDE);
        const half = (n - 1) / 2;
        // Only what lies inside the picture is drawn: beyond its edge the lens stays grey.
        const x0 = Math.max(state.x - half, 0), x1 = Math.min(state.x + half + 1, width);
        const y0 = Math.max(state.y - half, 0), y1 = Math.min(state.y + half + 1, height);
        ink.drawImage(image, x0, y0, x1 - x0, y1 - y0,
          (x0 - state.x + half) * unit, (y0 - state.y + half) * unit, (x1 - x0) * unit, (y1 - y0) * unit);
        const rgb = ink.getImageData(SIDE / 2, SIDE / 2, 1, 1).data;
        colour.textContent = `RGB ${rgb[0]} ${rgb[1]} ${rgb[2]}`;
        ink.strokeStyle = rgb[0] + rgb[1] + rgb[2] > 380 ? "#000" : "#fff";
        ink.lineWidth = 2;
        ink.strokeRect(half * unit, half * unit, unit, unit);
        lens.hidden = false;
        lens.style.setProperty("--x", String((state.x + 0.5) / width));
        lens.style.setProperty("--y", String((state.y + 0.5) / height));
      }
      told.textContent = say("Pixel {x}, {y} from the top left of the crop", { x: state.x, y: state.y });
    };
    for (const { frame, image } of frames) {
      const follow = (event) => {
        const box = image.getBoundingClientRect();
        show(Math.floor(((event.clientX - box.left) / box.width) * image.naturalWidth),
          Math.floor(((event.clientY - box.top) / box.height) * image.naturalHeight));
      };
      frame.addEventListener("pointermove", follow);
      frame.addEventListener("pointerdown", follow);
      frame.addEventListener("pointerleave", () => { if (document.activeElement !== group) hide(); });
    }
    group.addEventListener("focus", () => {
      if (!group.matches(":focus-visible")) return;
      const { naturalWidth, naturalHeight } = frames[0].image;
      if (state.x < 0) show(naturalWidth >> 1, naturalHeight >> 1);
      else show(state.x, state.y);
    });
    group.addEventListener("blur", hide);
    group.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      const by = event.shiftKey ? 8 : 1;
      show(state.x + by * step[0], state.y + by * step[1]);
    });
    return { again: () => { if (!frames[0].lens.hidden) show(state.x, state.y); } };
  });
  wide.list.addEventListener("change", () => lenses[pick.list.selectedIndex].again());
  turn();
}
