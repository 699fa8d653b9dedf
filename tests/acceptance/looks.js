// how the page looks to a reader: what is cut, what overlaps, how large and how clear the texts are
() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) faults.push(`scrolls sideways: ${root.scrollWidth}`);
  if (root.scrollHeight > innerHeight) faults.push(`scrolls down: ${root.scrollHeight}`);
  if (document.body.scrollHeight > document.body.clientHeight + 1) faults.push("the page is cut");
  const box = (element) => element.getBoundingClientRect();
  const name = (element) => `${element.className.baseVal ?? element.className} "${element.textContent.trim().slice(0, 30)}"`;

  const tiles = [...document.querySelectorAll(".t, .c, .cnt, .calm, .key, .clock, .sys, .lost")];
  for (const tile of tiles) {
    const b = box(tile);
    if (b.left < -1 || b.top < -1 || b.right > innerWidth + 1 || b.bottom > innerHeight + 1) faults.push(`off screen: ${name(tile)}`);
  }
  for (const [i, one] of tiles.entries()) {
    for (const other of tiles.slice(i + 1)) {
      const a = box(one), b = box(other);
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1 && high > 1) faults.push(`overlap: ${name(one)} / ${name(other)}`);
    }
  }
  for (const tile of document.querySelectorAll(".t")) {
    const outer = box(tile);
    for (const part of tile.children) {
      const b = box(part);
      if (b.bottom > outer.bottom + 1 || b.top < outer.top - 1 || b.right > outer.right + 1) faults.push(`cut by its tile: ${name(part)}`);
    }
    const parts = [...tile.children].map(box);
    for (let i = 1; i < parts.length; i++) {
      if (parts[i].top < parts[i - 1].bottom - 1 && parts[i].left < parts[i - 1].right - 1) faults.push(`parts overlap in ${name(tile)}`);
    }
  }
  // a text may end in an ellipsis, it may not be cut through
  for (const text of document.querySelectorAll(".nm, .dl, .hd, .ft, .v, .vv, .n, .since, .calm, .cnt")) {
    const style = getComputedStyle(text);
    const ends = style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
    const cut = text.scrollWidth > text.clientWidth + 1;
    if (cut && !ends && style.display !== "inline") faults.push(`cut through: ${name(text)}`);
  }

  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const backdrop = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      // the lighter stripe of a hatched box
      if (style.backgroundImage !== "none") return numbers(style.backgroundImage.match(/rgb\([^)]*\)/)[0]);
      const [r, g, b, a = 1] = numbers(style.backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest("defs, script, style") || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const ink = luminance(numbers(element.closest("svg") ? style.fill : style.color));
    const paper = luminance(backdrop(element));
    texts.push({
      text: walker.currentNode.textContent.trim(),
      size: parseFloat(style.fontSize),
      contrast: (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05),
      mustRead: !!element.closest(".t.red") && (element.matches(".nm, .dl, .v") || element.matches(".t.red .since")),
    });
  }
  const boxes = [...document.querySelectorAll(".t")].map((tile) => ({ x: box(tile).left, y: box(tile).top }));
  return { faults, texts, boxes, scrollWidth: root.scrollWidth, scrollHeight: root.scrollHeight };
}
