// Notes of the browser in `benchNotes`, in seconds since the epoch: actions, messages of the WebSocket, and changes of what
// `benchWatch(selector)` watches, with the first frame painted after each; headlines, and when progress is on display.
(() => {
  const now = () => (performance.timeOrigin + performance.now()) / 1000;
  const notes = { acted: [], sent: [], received: [], changed: [], painted: [], moved: [], headlines: [] };
  window.benchNotes = notes;
  for (const kind of ["keydown", "click"]) addEventListener(kind, () => notes.acted.push(now()), true);

  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", (event) => {
        const at = now();
        const text = event.data instanceof ArrayBuffer ? new TextDecoder("latin1").decode(event.data) : "";
        const keys = [...text.matchAll(/\$\$ID-[0-9a-f]+-([A-Za-z_]+)/g)].map((match) => match[1]);
        notes.received.push({ at, keys });
      });
    }
    send(data) {
      notes.sent.push(now());
      super.send(data);
    }
  };

  // What a chart shows, or the text of another element; "" while a chart is being made.
  const content = (element) => {
    const marks = element?.querySelectorAll(".cartesianlayer path");
    if (!element?.querySelector(".js-plotly-plot")) return element?.textContent ?? "";
    if (!marks.length) return "";
    const texts = [...element.querySelectorAll(".infolayer text")].map((text) => text.textContent);
    return [...[...marks].map((mark) => mark.getAttribute("d") + mark.getAttribute("transform")), ...texts].join(" ");
  };
  const MOVING = "[data-testid=stProgress]";
  let selector = "", shown = "", headline = "";
  const look = () => {
    if (!selector) return;
    const said = document.querySelector("[data-testid=stMain] h5")?.textContent ?? "";
    if (said && said !== headline) notes.headlines.push({ at: now(), text: (headline = said) });
    if (document.querySelector(MOVING)) notes.moved.push(now());
    const found = content(document.querySelector(selector));
    if (!found || found === shown) return;
    shown = found;
    notes.changed.push(now());
    requestAnimationFrame(() => setTimeout(() => notes.painted.push(now())));
  };
  window.benchWatch = (watched) => {
    selector = watched;
    shown = content(document.querySelector(selector));
    for (const list of Object.values(notes)) list.length = 0;
  };
  document.addEventListener("DOMContentLoaded", () => {
    new MutationObserver(look).observe(document.body, {
      subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["d", "transform"],
    });
  });
})();
