// Charts: the camera saves a PNG with a name and a footer, the pointer over a mark shows the picture or the words of its row,
// a chart is drawn once, though Streamlit asks for it twice, and on a phone again once its size has settled.
// layout.meta, from app/widgets/figure.py: export has the file's name and footer; pictures has, by row id, what the row
// shows: the address of its picture or its words, as kind says, or else a hexadecimal digit a pixel, and their shape.
if (!window.hasFigureTools) {
  window.hasFigureTools = true;
  const SCALE = 2, LINE = 17, PAD = 10, PIXEL = 9, IMAGE = 96;

  // ---- export

  const wrapped = (context, text, width) => {
    const lines = [""];
    for (const word of text.split(/(?<=[\s&,?/])/)) {
      const longer = lines.at(-1) + word;
      if (lines.at(-1) && context.measureText(longer).width > width) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    return lines;
  };
  // The layout with text in the color of the page: its style sheet colors the chart on it, but not a picture.
  const withInk = (chart, color) => {
    const layout = structuredClone(chart.layout);
    const ink = (part) => { if (part) part.font = { ...part.font, color }; };
    for (const [name, part] of Object.entries(layout)) {
      if (!/^[xy]axis\d*$/.test(name)) continue;
      part.tickfont = { ...part.tickfont, color };
      ink(typeof part.title === "string" ? null : part.title);
    }
    for (const name of Object.keys(chart._fullLayout)) {
      if (/^[xy]axis\d*$/.test(name)) layout[name] = { tickfont: { color }, ...layout[name] };
    }
    layout.annotations?.forEach(ink);
    layout.legend = { ...layout.legend };
    [layout, layout.legend].forEach(ink);
    return layout;
  };
  const save = async (chart, { file, footer }) => {
    const { width, height, paper_bgcolor: ground, font } = chart._fullLayout;
    const color = getComputedStyle(document.querySelector(".stApp") ?? document.body).color;
    const picture = new Image();
    const inked = { data: chart.data, layout: withInk(chart, color) };
    picture.src = await window.Plotly.toImage(inked, { format: "png", width, height, scale: SCALE });
    await picture.decode();
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    const type = `${Math.max(12, font.size)}px ${font.family}`, line = Math.max(LINE, 1.4 * font.size);
    context.font = type;
    const lines = [footer, location.href].filter(Boolean).flatMap((text) => wrapped(context, text, width - 2 * PAD));
    canvas.width = width * SCALE;
    canvas.height = (height + lines.length * line + 2 * PAD) * SCALE;
    context.fillStyle = ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0);
    context.scale(SCALE, SCALE);
    context.font = type;
    context.fillStyle = color;
    lines.forEach((text, number) => context.fillText(text.trim(), PAD, height + PAD + (number + 0.7) * line));
    const link = document.createElement("a");
    link.download = `${file}.png`;
    link.href = canvas.toDataURL("image/png");
    link.click();
  };
  document.addEventListener("click", (event) => {
    const camera = event.target.closest?.(".modebar-btn[data-title^='Download plot']");
    const chart = camera?.closest(".js-plotly-plot");
    if (!window.Plotly || !chart?.layout?.meta?.export) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    save(chart, chart.layout.meta.export);
  }, true);

  // ---- pictures

  const frame = document.createElement("div");
  frame.className = "row-picture";
  frame.setAttribute("aria-hidden", "true");
  frame.hidden = true;
  document.body.append(frame);
  const hide = () => { frame.hidden = true; };
  const makers = {
    image: (address) => Object.assign(new Image(IMAGE), { src: address }),
    text: (words) => Object.assign(document.createElement("p"), { textContent: words, dir: "auto" }),
    pixels: (levels, [down, across]) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: across * PIXEL, height: down * PIXEL });
      const context = canvas.getContext("2d");
      [...levels].forEach((level, place) => {
        const gray = 17 * parseInt(level, 16);
        context.fillStyle = `rgb(${gray}, ${gray}, ${gray})`;
        context.fillRect((place % across) * PIXEL, Math.floor(place / across) * PIXEL, PIXEL, PIXEL);
      });
      return canvas;
    },
  };
  const show = (chart) => ({ points: [point], event }) => {
    const { kind, shape, rows } = chart.layout.meta?.pictures ?? { rows: {} };
    const content = rows[[point.customdata].flat()[0]];
    if (!content || !event) return hide();
    frame.replaceChildren(makers[kind ?? "pixels"](content, shape));
    frame.hidden = false;
    // Above the label of the row, or below it at the upper edge of the window.
    const place = () => {
      const above = event.clientY - frame.offsetHeight - 28;
      const left = Math.min(event.clientX - frame.offsetWidth / 2, innerWidth - frame.offsetWidth - 8);
      frame.style.left = `${Math.max(8, left)}px`;
      frame.style.top = `${above > 8 ? above : event.clientY + 28}px`;
    };
    place();
    frame.firstChild.onload = place; // a picture has its height only now
  };
  // A redrawn chart may have lost its listeners, which Plotly keeps in this emitter.
  const heard = new WeakSet();
  document.addEventListener("pointermove", (event) => {
    const chart = event.target.closest?.(".js-plotly-plot");
    if (!chart) return hide();
    if (!chart.layout?.meta?.pictures || !chart._ev || heard.has(chart._ev)) return;
    heard.add(chart._ev);
    chart.on("plotly_hover", show(chart));
    chart.on("plotly_unhover", hide);
  }, true);

  // ---- drawing

  // Streamlit draws each new chart twice: hidden and in no size, then in the size of its place, from a copy of its figure.
  // Draw it once, when its place has its size, and let the browser paint a chart before the next one is drawn.
  const asked = new WeakMap(); // of a chart: the figure that it was last asked to draw, null once a user changed the chart
  const UNSEEN_MS = 500; // a chart that is hidden this long, in a closed tab, is drawn all the same
  const FRAME_MS = 100; // a window in the background has no frames
  const LATE_MS = 2000; // a chart that takes longer holds no other one back
  let turn = Promise.resolve(); // of the new charts, one after the other
  const nextFrame = () => new Promise((resolve) => {
    const late = setTimeout(resolve, FRAME_MS);
    requestAnimationFrame(() => { clearTimeout(late); setTimeout(resolve); });
  });
  const placeOf = (chart) => chart.closest(".stPlotlyChart")?.getBoundingClientRect() ?? { width: 0, height: 0 };
  const settled = async (chart) => {
    const begun = performance.now();
    while (!placeOf(chart).height && chart.isConnected && performance.now() - begun < UNSEEN_MS) await nextFrame();
  };
  const described = ({ data, layout, config }) => ({
    // Sizes are set in another order than that of the copy.
    figure: JSON.stringify([data, Object.entries(layout).filter(([, value]) => value !== undefined).sort()]),
    config: JSON.stringify(config),
  });
  const drawOnce = (plotly) => {
    const react = plotly.react;
    const draw = async (chart, figure, others) => {
      asked.set(chart, described(figure));
      try {
        return await react(chart, figure, ...others);
      } catch (error) {
        asked.delete(chart);
        throw error;
      }
    };
    const drawNew = (chart, figure, others) => {
      if (!chart.isConnected) return chart;
      const place = placeOf(chart);
      if (!place.height) return draw(chart, figure, others);
      const height = chart.closest("[class*=st-key-figure-]") ? place.height : figure.layout.height;
      return draw(chart, { ...figure, layout: { ...figure.layout, width: place.width, height } }, others);
    };
    plotly.react = (chart, figure, ...others) => {
      if (!chart._fullLayout && chart.closest(".stPlotlyChart")) {
        return settled(chart).then(() => {
          const drawn = turn.then(() => drawNew(chart, figure, others));
          turn = Promise.race([drawn.then(nextFrame, nextFrame), new Promise((resolve) => setTimeout(resolve, LATE_MS))]);
          return drawn;
        });
      }
      const last = chart._fullLayout && asked.get(chart), given = described(figure);
      const isShown = figure.data === chart.data && figure.layout === chart.layout;
      const isSame = last?.config === given.config && (isShown || last.figure === given.figure);
      return isSame ? Promise.resolve(chart) : draw(chart, figure, others);
    };
    return plotly;
  };
  let plotly = window.Plotly && drawOnce(window.Plotly);
  Object.defineProperty(window, "Plotly", { get: () => plotly, set: (loaded) => { if (loaded !== plotly) plotly = loaded && drawOnce(loaded); } });
  const forget = (event) => {
    const chart = event.target.closest?.(".js-plotly-plot");
    if (asked.has(chart)) asked.get(chart).figure = null;
  };
  addEventListener("pointerdown", forget, true);
  addEventListener("wheel", forget, { capture: true, passive: true });

  // ---- phones

  // Plotly leaves the ticks of a chart that is arranged for a phone where they stood, if the margins change as it draws:
  // draw such a chart again once its size has settled.
  const phone = matchMedia("(max-width: 640px)");
  const sizes = new WeakMap(); // of a chart: its size at the last look, and true once it was drawn again
  setInterval(() => {
    if (!phone.matches || !window.Plotly) return;
    for (const chart of document.querySelectorAll(".js-plotly-plot")) {
      if (!chart._fullLayout) continue;
      const size = `${chart._fullLayout.width} ${chart._fullLayout.height}`;
      const known = sizes.get(chart);
      if (known?.size !== size) sizes.set(chart, { size, isDrawn: false });
      else if (!known.isDrawn) {
        known.isDrawn = true;
        window.Plotly.redraw(chart);
      }
    }
  }, 500);
}
