// Steps through the sentences of a story, and dims the columns of a Plotly chart that a sentence does not speak of.
//
// data: key identifies the story; chart is the key of the st.plotly_chart; sentences has one text a step; columns has
// the indices of its columns a step; panels has the Plotly numbers of the axes of each column.

const FOLLOW_MS = 200;
const DIM = 0.8; // opacity of the sheet over a dimmed column
const LABELS = 0.06; // height of the labels below a panel
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const REMOTE = { PageDown: 1, PageUp: -1 }; // a remote control, while the page is presented
// Elements that use the arrow keys themselves.
const TYPING = "input, textarea, select, [contenteditable], [role=slider], [role=radio], [role=tab], [role=option], [role=combobox], [role=menuitem], [role=grid], [role=gridcell]";

class Story {
  constructor(root) {
    this.root = root;
    this.text = root.querySelector("p");
    this.count = root.querySelector("output");
    this.back = root.querySelector("[data-act=back]");
    this.next = root.querySelector("[data-act=next]");
    this.back.onclick = () => this.show(this.at - 1);
    this.next.onclick = () => this.show(this.at + 1);
    this.onKey = (event) => {
      const step = STEPS[event.key] ?? (document.querySelector(".st-key-leave_present") ? REMOTE[event.key] : 0);
      if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      const from = event.composedPath()[0];
      if (event.key in STEPS && from instanceof Element && from.closest(TYPING)) return;
      event.preventDefault();
      this.show(this.at + step);
    };
  }

  load(data) {
    if (!this.following) {
      this.following = setInterval(() => this.follow(), FOLLOW_MS);
      document.addEventListener("keydown", this.onKey);
    }
    const isNew = !this.data || this.data.key !== data.key;
    this.data = data;
    this.show(isNew ? 0 : this.at);
  }

  show(at) {
    const last = this.data.sentences.length - 1;
    this.at = Math.max(0, Math.min(at, last));
    this.text.textContent = this.data.sentences[this.at];
    this.count.textContent = `${this.at + 1} of ${last + 1}`;
    // Not the attribute disabled: a button that loses it would lose the focus too.
    this.back.setAttribute("aria-disabled", String(this.at === 0));
    this.next.setAttribute("aria-disabled", String(this.at === last));
    this.follow();
  }

  // The chart, or null before the page has drawn it; a redraw may replace the element.
  chart() {
    const chart = document.querySelector(`.st-key-${this.data.chart} .js-plotly-plot`);
    return window.Plotly && chart && chart._fullLayout && chart.data ? chart : null;
  }

  // The sheets over the columns that the sentence does not speak of.
  sheets(layout) {
    const color = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim() || "#ffffff";
    const sheet = { type: "rect", layer: "above", xref: "paper", yref: "paper", line: { width: 0 }, fillcolor: color, opacity: DIM };
    const dimmed = this.data.panels.filter((_, index) => !this.data.columns[this.at].includes(index)).flat();
    return dimmed.map((number) => {
      const [[x0, x1], [y0, y1]] = ["xaxis", "yaxis"].map((axis) => layout[axis + number].domain);
      return { ...sheet, x0, x1, y0: layout[`xaxis${number}`].showticklabels ? y0 - LABELS : y0, y1 };
    });
  }

  // A redrawn chart has no sheets, and another theme another color.
  follow() {
    const chart = this.chart();
    if (!chart || this.drawing) return;
    const sheets = this.sheets(chart._fullLayout);
    const outline = (all) => JSON.stringify(all.map(({ x0, y0, fillcolor }) => [x0, y0, fillcolor]));
    if (outline(chart.layout.shapes || []) === outline(sheets)) return;
    this.drawing = true;
    const done = () => {
      this.drawing = false;
    };
    Promise.resolve(window.Plotly.relayout(chart, { shapes: sheets })).then(done, done);
  }

  leave() {
    clearInterval(this.following);
    this.following = null;
    document.removeEventListener("keydown", this.onKey);
  }
}

const stories = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".story");
  if (!stories.has(root)) stories.set(root, new Story(root));
  stories.get(root).load(data);
  return () => stories.get(root).leave();
}
