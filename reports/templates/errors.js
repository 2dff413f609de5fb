// Error maps: |image - clean|, mean over the colours, in grey levels of 255, computed from the stored pixels.
const MAGMA = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]];
const magma = (share) => {
  const at = Math.min(Math.max(share, 0), 1) * (MAGMA.length - 1);
  const low = Math.min(Math.floor(at), MAGMA.length - 2);
  return MAGMA[low].map((value, c) => Math.round(value + (at - low) * (MAGMA[low + 1][c] - value)));
};
const pixelsOf = async (image) => {
  await image.decode();
  const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
};
// The map as a data: URI on a scale from 0 to `end`, and the error at each pixel.
const errorMap = async (image, clean, end) => {
  const [own, truth] = await Promise.all([pixelsOf(image), pixelsOf(clean)]);
  const { width, height } = own;
  const levels = new Float32Array(width * height);
  const map = new ImageData(width, height);
  for (let i = 0; i < levels.length; i += 1) {
    for (let c = 4 * i; c < 4 * i + 3; c += 1) levels[i] += Math.abs(own.data[c] - truth.data[c]) / 3;
    map.data.set([...magma(levels[i] / end), 255], 4 * i);
  }
  const canvas = make("canvas", { width, height });
  canvas.getContext("2d").putImageData(map, 0, 0);
  return { uri: canvas.toDataURL(), levels, width };
};
const errorScale = (end) => {
  const bar = make("canvas", { width: 128, height: 1 });
  bar.setAttribute("aria-hidden", "true");
  const context = bar.getContext("2d");
  for (let x = 0; x < bar.width; x += 1) {
    context.fillStyle = `rgb(${magma(x / (bar.width - 1)).join(" ")})`;
    context.fillRect(x, 0, 1, 1);
  }
  return make("p", { className: "note error-scale", hidden: true },
    make("span", { className: "bar-label" }, "0 ", bar, ` \u2265 ${end}`), " ",
    say("Absolute error against the clean image, mean over the colours, grey levels of 255; one scale for all images"));
};
