// A lens over all pictures of a scene. It is drawn from the pictures themselves, so each shows the pixels of its file.
const LENS_PX = 210;
const addLens = ({ node, shots }, { side, shows, report }) => {
  const nZooms = shots[0].images.length;
  const views = shots.flatMap(({ frames, images, caption }) => {
    const colour = make("span", { className: "rgb" });
    caption.append(colour);
    return images.map((own, zoom) => {
      const lens = make("canvas", { className: "lens", width: LENS_PX, height: LENS_PX, hidden: true });
      lens.setAttribute("aria-hidden", "true");
      frames[zoom].append(lens);
      return { own, zoom, frame: frames[zoom], lens, colour, ink: lens.getContext("2d", { willReadFrequently: true }) };
    });
  });
  const group = node.querySelector(".shots");
  group.tabIndex = 0;
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", nZooms > 1
    ? say("Lens over all images: arrow keys move it by a pixel, with Shift by eight, Enter goes to the other crop, Escape hides it")
    : say("Lens over all images: arrow keys move it by a pixel, with Shift by eight, Escape hides it"));
  const state = { x: -1, y: -1, zoom: 0 };
  const hide = () => {
    for (const view of views) { view.lens.hidden = true; view.colour.textContent = ""; }
    report("");
  };
  const draw = ({ own, lens, colour, ink }, width, height) => {
    const { image } = own;
    const n = side();
    const unit = LENS_PX / n;
    const half = (n - 1) / 2;
    ink.imageSmoothingEnabled = false;
    ink.fillStyle = "#808080";
    ink.fillRect(0, 0, LENS_PX, LENS_PX);
    // Only what lies inside the picture is drawn: beyond its edge the lens stays grey.
    const x0 = Math.max(state.x - half, 0), x1 = Math.min(state.x + half + 1, width);
    const y0 = Math.max(state.y - half, 0), y1 = Math.min(state.y + half + 1, height);
    ink.drawImage(image, x0, y0, x1 - x0, y1 - y0,
      (x0 - state.x + half) * unit, (y0 - state.y + half) * unit, (x1 - x0) * unit, (y1 - y0) * unit);
    const rgb = ink.getImageData(LENS_PX / 2, LENS_PX / 2, 1, 1).data;
    colour.textContent = shows(own, state.y * width + state.x) || `RGB ${rgb[0]} ${rgb[1]} ${rgb[2]}`;
    ink.strokeStyle = rgb[0] + rgb[1] + rgb[2] > 380 ? "#000" : "#fff";
    ink.lineWidth = 2;
    ink.strokeRect(half * unit, half * unit, unit, unit);
    lens.hidden = false;
    lens.style.setProperty("--x", String((state.x + 0.5) / width));
    lens.style.setProperty("--y", String((state.y + 0.5) / height));
  };
  const show = (zoom, x, y) => {
    const { naturalWidth, naturalHeight } = shots[0].images[zoom].image;
    const size = [naturalWidth, naturalHeight];
    Object.assign(state, { zoom, x: Math.min(Math.max(x, 0), size[0] - 1), y: Math.min(Math.max(y, 0), size[1] - 1) });
    for (const view of views) {
      if (view.zoom === zoom) draw(view, ...size);
      else view.lens.hidden = true;
    }
    const at = { x: state.x, y: state.y, n: zoom + 1 };
    report(nZooms > 1 ? say("Pixel {x}, {y} from the top left of crop {n}", at) : say("Pixel {x}, {y} from the top left of the crop", at));
  };
  for (const { own, zoom, frame } of views) {
    const follow = (event) => {
      const box = own.image.getBoundingClientRect();
      show(zoom, Math.floor(((event.clientX - box.left) / box.width) * own.image.naturalWidth),
        Math.floor(((event.clientY - box.top) / box.height) * own.image.naturalHeight));
    };
    frame.addEventListener("pointermove", follow);
    frame.addEventListener("pointerdown", follow);
    frame.addEventListener("pointerleave", () => { if (document.activeElement !== group) hide(); });
  }
  const centre = (zoom) => {
    const { naturalWidth, naturalHeight } = shots[0].images[zoom].image;
    show(zoom, naturalWidth >> 1, naturalHeight >> 1);
  };
  group.addEventListener("focus", () => {
    if (!group.matches(":focus-visible")) return;
    if (state.x < 0) centre(0);
    else show(state.zoom, state.x, state.y);
  });
  group.addEventListener("blur", hide);
  group.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") hide();
    if (event.key === "Enter" && nZooms > 1) centre((state.zoom + 1) % nZooms);
    if (!step) return;
    event.preventDefault();
    const by = event.shiftKey ? 8 : 1;
    show(state.zoom, state.x + by * step[0], state.y + by * step[1]);
  });
  return { again: () => { if (views.some((view) => !view.lens.hidden)) show(state.zoom, state.x, state.y); } };
};
