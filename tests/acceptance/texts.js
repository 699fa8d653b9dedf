// every text of the page where a reader sees it: which are cut, lie on another, leave their figure
() => {
  const faults = [];
  const box = (element) => element.getBoundingClientRect();
  // figures, codes and states are read whole or not at all
  const whole = ".pill, .v, .vv, .value, .code, .cnt, .clock, .since, .lost, .calm, .fr, button, nav a, .chip b, .chart text, .picture text";
  // a unit in words may end
  const LONG = 14;
  const mayEnd = (style) => style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";

  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest("defs, script, style, noscript, .spoken, .icons")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const rects = (element.closest("svg") ? [box(element)] : [...range.getClientRects()]).filter((r) => r.width > 0);
    // without the room above and below the letters
    const letters = rects.map((r) => ({ left: r.left, right: r.right, top: r.top + r.height * 0.22, bottom: r.bottom - r.height * 0.22 }));
    if (letters.length) texts.push({ node, element, letters, name: `${element.closest("[class]")?.getAttribute("class")} "${node.textContent.trim().slice(0, 40)}"` });
  }

  for (const text of texts) {
    // what ends in an ellipsis is seen up to there, what scrolls can be scrolled to
    for (let e = text.element; e && e !== document.body; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (e instanceof SVGElement) {
        if (e.tagName === "svg" && e.parentElement.matches(".picture, .chart")) {
          const b = box(e);
          for (const l of text.letters) if (l.left < b.left - 1 || l.right > b.right + 1 || l.top < b.top || l.bottom > b.bottom) faults.push(`leaves its figure: ${text.name}`);
        }
        continue;
      }
      if (/auto|scroll/.test(style.overflowX)) break;
      if (style.overflowX !== "hidden" && style.overflowX !== "clip") continue;
      const b = box(e);
      for (const l of text.letters) {
        // a whole line that is not shown misleads nobody
        if (l.top >= b.bottom - 1 && e.matches(".dl, .own, .nm, .fr, .room")) l.hidden = true;
        if (l.hidden) continue;
        if (l.left >= b.left - 1 && l.right <= b.right + 1 && l.top >= b.top - 1 && l.bottom <= b.bottom + 1) continue;
        if (!mayEnd(style) && !(text.clipped ??= false)) faults.push(`cut: ${text.name}`);
        else if (text.element.closest(whole) && text.node.textContent.length <= LONG) faults.push(`shortened: ${text.name}`);
        if (mayEnd(style)) { text.clipped = true; l.right = Math.min(l.right, b.right); l.left = Math.max(l.left, b.left); l.bottom = Math.min(l.bottom, b.bottom); }
      }
    }
    for (const l of text.letters) if (!l.hidden) if (l.left < -1 || l.right > innerWidth + 1) if (!text.element.closest("pre, table")) faults.push(`off screen: ${text.name}`);
  }

  // a text over the same text is its halo
  const flat = texts.flatMap((text) => text.letters.filter((l) => !l.hidden).map((l) => ({ ...l, text }))).sort((a, b) => a.left - b.left);
  for (const [i, a] of flat.entries()) {
    for (let j = i + 1; j < flat.length && flat[j].left < a.right - 1; j++) {
      const b = flat[j];
      if (Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1 && Math.min(a.right, b.right) - b.left > 1 && a.text.node.textContent !== b.text.node.textContent) faults.push(`overlap: ${a.text.name} / ${b.text.name}`);
    }
  }
  const fonts = [...document.fonts].filter((font) => font.status === "loaded").map((font) => font.family);
  return { faults: [...new Set(faults)], texts: texts.length, fonts };
}
