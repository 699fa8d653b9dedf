// of a picture's pixels: how far the ink of each text is from the ground on which it stands
async ({ png, boxes }) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  const drawn = canvas.getContext("2d");
  drawn.drawImage(image, 0, 0);
  const luminance = (pixel) => {
    const [r, g, b] = [pixel >> 16, (pixel >> 8) & 255, pixel & 255].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return boxes.map(({ text, x, y, width, height }) => {
    const { data } = drawn.getImageData(x, y, Math.max(1, width), Math.max(1, height));
    const counts = new Map();
    for (let at = 0; at < data.length; at += 4) {
      const pixel = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
      counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
    }
    const [[ground]] = [...counts].sort((a, b) => b[1] - a[1]);
    const paper = luminance(ground);
    const ratio = Math.max(...[...counts.keys()].map(luminance).map((ink) => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)));
    return { text, ratio, ground: ground.toString(16).padStart(6, "0") };
  });
}
