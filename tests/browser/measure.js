// Measures what a visitor can see of the page as it stands: text that is cut off, overlaps or is faint.
//
// Returns lists of short sentences by their kind, and the lowest contrast of the text in charts.
() => {
  const SLACK = 2; // pixels that boxes of letters reach beyond the letters
  const HIDING = /hidden|clip/, SCROLLING = /auto|scroll/;
  const charts = [...document.querySelectorAll(".js-plotly-plot, [data-testid=stGraphVizChart] svg")];
  const short = (text) => JSON.stringify(text.trim().replace(/\s+/g, " ").slice(0, 48));

  // The host of a shadow root is the parent of what stands in it.
  const parentOf = (node) => node.assignedSlot || node.parentElement || node.getRootNode().host || null;
  const ancestors = function* (node) {
    for (let one = parentOf(node); one; one = parentOf(one)) yield one;
  };
  const meets = (a, b, slack = SLACK) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > slack &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > slack;

  // ---- text of the page itself

  const isSeen = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    !element.closest("svg, [role=tooltip], .modebar, [data-testid=stMarkdownContainer] .katex-mathml");
  const texts = [];
  const walk = (root) => {
    const nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    while (nodes.nextNode()) {
      const node = nodes.currentNode;
      if (node.shadowRoot) walk(node.shadowRoot);
      const owner = node.parentElement;
      if (node.nodeType !== Node.TEXT_NODE || !node.data.trim() || !owner || !isSeen(owner)) continue;
      if (owner.closest("style, script, option, noscript") || getComputedStyle(owner).fontFamily.includes("Material")) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const box = range.getBoundingClientRect();
      if (box.width > 1 && box.height > 1) texts.push({ node, owner, text: node.data, box });
    }
  };
  walk(document.body);

  const cut = [], beyond = [], overlaps = [];
  const shown = [];
  for (const { node, owner, text, box } of texts) {
    let [left, right, top, bottom, scrolls, gone] = [box.left, box.right, box.top, box.bottom, false, false];
    for (const one of [owner, ...ancestors(owner)]) {
      const style = getComputedStyle(one), own = one.getBoundingClientRect();
      if (one === document.body || style.display === "inline" || style.display === "contents") continue;
      if (own.width <= 1 || own.height <= 1) gone = true; // for screen readers alone
      const hides = HIDING.test(style.overflowX) || HIDING.test(style.overflowY);
      if (SCROLLING.test(style.overflowX)) scrolls = true;
      if (hides && !scrolls && !gone) {
        if (HIDING.test(style.overflowX) && (box.right > own.right + SLACK || box.left < own.left - SLACK)) {
          cut.push(`${short(text)} by ${Math.round(Math.max(box.right - own.right, own.left - box.left))} px`);
          gone = true;
        }
      }
      if (hides || SCROLLING.test(style.overflowX) || SCROLLING.test(style.overflowY)) {
        [left, right] = [Math.max(left, own.left), Math.min(right, own.right)];
        [top, bottom] = [Math.max(top, own.top), Math.min(bottom, own.bottom)];
      }
      if (style.position === "fixed") break;
    }
    if (gone || right - left < 1 || bottom - top < 1) continue;
    if (!scrolls && (right > innerWidth + 1 || left < -1)) beyond.push(`${short(text)} reaches to ${Math.round(right)} px`);
    shown.push({ node, owner, text, box: { left, right, top, bottom } });
  }
  const lineBoxes = ({ node, box }) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return [...range.getClientRects()].filter((own) => meets(own, box, 0));
  };
  shown.forEach((one, place) => {
    for (const other of shown.slice(place + 1)) {
      if (!meets(one.box, other.box)) continue;
      if (lineBoxes(one).some((own) => lineBoxes(other).some((theirs) => meets(own, theirs)))) {
        const above = [one, other].map(({ owner, box }) => {
          const top = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
          return top && (top === owner || owner.contains(top) || top.contains(owner));
        });
        if (above.every(Boolean)) overlaps.push(`${short(one.text)} and ${short(other.text)}`);
      }
    }
  });

  // ---- text in charts

  const parse = (colour) => {
    const [red, green, blue, alpha = 1] = (colour.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    return [red, green, blue, alpha];
  };
  const over = ([r, g, b, a], [br, bg, bb]) => [r * a + br * (1 - a), g * a + bg * (1 - a), b * a + bb * (1 - a), 1];
  const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  // What is painted behind a place of a chart: shapes of a diagram under it, else the page's own ground.
  const groundOf = (text, box) => {
    const layers = [];
    for (const one of ancestors(text)) layers.push(parse(getComputedStyle(one).backgroundColor));
    layers.push([255, 255, 255, 1]);
    let ground = layers.filter(([, , , alpha]) => alpha > 0).reverse().reduce((below, own) => over(own, below));
    const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    for (const shape of text.closest("svg").querySelectorAll(".node :is(polygon, path, rect), .annotation rect.bg, rect.bg")) {
      const own = shape.getBoundingClientRect(), fill = getComputedStyle(shape);
      if (fill.fill === "none" || x < own.left || x > own.right || y < own.top || y > own.bottom) continue;
      const [red, green, blue, alpha] = parse(fill.fill);
      ground = over([red, green, blue, alpha * Number(fill.fillOpacity) * Number(fill.opacity)], ground);
    }
    return ground;
  };
  const chartOverlaps = [], chartClipped = [], faint = [];
  let lowest = 21;
  for (const chart of charts) {
    const name = chart.closest("[class*=st-key-]")?.className.match(/st-key-(\S+)/)?.[1] ?? "diagram";
    const letters = [...chart.querySelectorAll("text")].filter(
      (text) => text.textContent.trim() && !text.closest(".hoverlayer, .modebar") && isSeenIn(text, chart),
    );
    const boxes = letters.map((text) => text.getBoundingClientRect());
    letters.forEach((text, place) => {
      const own = text.ownerSVGElement.getBoundingClientRect(), box = boxes[place];
      if (box.left < own.left - 1 || box.right > own.right + 1 || box.top < own.top - SLACK || box.bottom > own.bottom + SLACK) {
        const most = Math.max(own.left - box.left, box.right - own.right, own.top - box.top, box.bottom - own.bottom);
        chartClipped.push(`${name}: ${short(text.textContent)} by ${Math.round(most)} px`);
      }
      letters.slice(place + 1).forEach((other, further) => {
        if (meets(box, boxes[place + 1 + further])) {
          chartOverlaps.push(`${name}: ${short(text.textContent)} and ${short(other.textContent)}`);
        }
      });
      if (text.closest(".heatmap-label")) return; // black on a picture of greys, whatever the theme
      const style = getComputedStyle(text);
      let [red, green, blue, alpha] = parse(style.fill);
      alpha *= Number(style.fillOpacity);
      for (let one = text; one && one !== chart; one = one.parentElement) alpha *= Number(getComputedStyle(one).opacity);
      const ground = groundOf(text, box);
      const ratio = contrast(over([red, green, blue, alpha], ground), ground);
      lowest = Math.min(lowest, ratio);
      if (ratio < 4.5) faint.push(`${name}: ${short(text.textContent)} at ${ratio.toFixed(2)} : 1`);
    });
  }
  function isSeenIn(text, chart) {
    const box = text.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && chart.checkVisibility() && getComputedStyle(text).visibility !== "hidden";
  }

  const main = document.querySelector("[data-testid=stMain]");
  const pageScroll = Math.max(
    document.documentElement.scrollWidth - innerWidth,
    main ? main.scrollWidth - main.clientWidth : 0,
  );
  const unique = (list) => [...new Set(list)];
  return {
    page_scroll: pageScroll > 1 ? [`${pageScroll} px wider than the window`] : [],
    beyond: unique(beyond),
    cut: unique(cut),
    overlaps: unique(overlaps),
    chart_overlaps: unique(chartOverlaps),
    chart_clipped: unique(chartClipped),
    faint: unique(faint),
    lowest_contrast: lowest,
  };
}
