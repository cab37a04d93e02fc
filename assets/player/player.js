// Moves a Plotly chart of the page through the moments of an animation, without the server.
//
// data: key identifies the animation; chart is the key of the st.plotly_chart to move; captions has one line a moment;
// changes are the packed changes of app/charts/animation.py; clock is the index of the trace whose x[0] identifies
// the moment on show, times are its values; start is the first moment on show; jump is the number of moments that the
// fifth button skips, jump_label its text; targets are the moments that the sixth button goes to, target_label its text;
// pictures are those of app/charts/animation.py, null for none;
// played are the moments that Play shows, none for all; address is the URL parameter of the time on show, "" for none.

const FRAME_MS = 90;
const FOLLOW_MS = 200;
const ADDRESS_MS = 250; // the address follows a moment that stays on show this long
const LOST_MS = 1000; // Plotly never resolves the animation of a chart that the page has replaced
const AT_ONCE = { mode: "immediate", frame: { duration: 0, redraw: false }, transition: { duration: 0 } };
const NO_POINTS = [null]; // Plotly ignores an empty list and would leave the old points in place
const DTYPES = { f4: Float32Array, i4: Int32Array, u1: Uint8Array };
const FRAMED = 1, PALE = 2;

function decode({ dtype, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new DTYPES[dtype](bytes.buffer);
}

// One frame a moment for Plotly.animate.
function framesOf(data) {
  const traces = [...new Set(data.changes.map((change) => change.trace))];
  const frames = data.captions.map(() => ({ traces, data: traces.map(() => ({})) }));
  for (const { trace, attribute, values, offsets, words } of data.changes) {
    const index = traces.indexOf(trace);
    const numbers = words ? null : decode(values);
    const begins = words ? null : decode(offsets);
    frames.forEach((frame, moment) => {
      // A plain array: the page copies a chart as JSON to draw it in another theme.
      const momentValues = words
        ? words[moment]
        : Array.from(numbers.subarray(begins[moment], begins[moment + 1]));
      frame.data[index][attribute] = momentValues.length ? momentValues : NO_POINTS;
    });
  }
  return frames;
}

class Player {
  constructor(root) {
    this.root = root;
    this.slider = root.querySelector("input");
    this.caption = root.querySelector("output");
    this.gallery = root.querySelector(".pictures");
    this.playButton = root.querySelector("[data-act=play]");
    const acts = {
      first: () => this.show(0),
      back: () => this.show(this.at - 1),
      next: () => this.show(this.at + 1),
      jump: () => this.show(this.at + this.data.jump),
      target: () => this.show(this.next(this.data.targets) ?? this.at),
    };
    for (const [name, act] of Object.entries(acts)) {
      root.querySelector(`[data-act=${name}]`).onclick = () => {
        this.pause();
        act();
      };
    }
    this.playButton.onclick = () => (this.timer ? this.pause() : this.play());
    this.slider.oninput = () => {
      this.pause();
      this.show(Number(this.slider.value));
    };
  }

  load(data) {
    this.following ??= setInterval(() => this.follow(), FOLLOW_MS);
    if (this.data && this.data.key === data.key) return;
    const moved = this.data && this.at !== this.data.start && data.captions.length === this.data.captions.length;
    this.data = data;
    this.frames = framesOf(data);
    this.hang(data.pictures);
    this.slider.max = String(data.captions.length - 1);
    this.slider.setAttribute("aria-label", data.label);
    const jump = this.root.querySelector("[data-act=jump]");
    jump.hidden = data.jump <= 1;
    jump.textContent = data.jump_label;
    const target = this.root.querySelector("[data-act=target]");
    target.hidden = !data.targets.length;
    target.textContent = data.target_label;
    this.path = location.pathname;
    this.show(this.addressed() ?? (moved ? this.at : data.start));
  }

  // The moment that the address names, or null.
  addressed() {
    const text = this.data.address && new URLSearchParams(location.search).get(this.data.address);
    const moment = this.data.times.indexOf(Number(text || NaN));
    return moment < 0 ? null : moment;
  }

  // Name the moment on show in the address, in the present entry of the browser's history.
  writeAddress() {
    const { address, start, times } = this.data;
    if (!address || !this.root.isConnected || location.pathname !== this.path) return;
    const url = new URL(location.href);
    if (this.at === start) url.searchParams.delete(address);
    else url.searchParams.set(address, String(times[this.at]));
    // Not history.replaceState: that of assets/history.js would begin an entry with each step.
    if (url.href !== location.href) History.prototype.replaceState.call(history, history.state, "", url);
  }

  // Make an element for each picture or text of a moment.
  hang(pictures) {
    this.gallery.hidden = !pictures;
    if (!pictures) return this.gallery.replaceChildren();
    // The role of a picture hides its content from a screen reader, which must read texts.
    this.gallery.setAttribute("role", pictures.kind === "text" ? "group" : "img");
    const [count, height, width] = pictures.shape;
    this.pixels = pictures.kind ? null : decode(pictures.pixels);
    this.marks = decode(pictures.marks);
    const make = () => pictures.kind
      ? Object.assign(document.createElement(pictures.kind === "image" ? "img" : "p"), { dir: "auto", alt: "" })
      : Object.assign(document.createElement("canvas"), { width, height });
    this.gallery.replaceChildren(...Array.from({ length: count }, make));
  }

  // Draw the pictures of the moment on show.
  drawPictures() {
    if (!this.data.pictures) return;
    const { kind, rows, moments, shape, texts } = this.data.pictures;
    const [count, height, width] = shape;
    this.gallery.setAttribute("aria-label", texts[this.at]);
    [...this.gallery.children].forEach((element, index) => {
      const picture = this.at * count + index;
      if (kind) {
        const id = moments[this.at][index], content = rows[id];
        element.hidden = !content;
        element.title = `row ${id}`;
        if (kind === "image") element.src = content ?? "";
        else element.textContent = content ?? "";
      } else {
        const image = new ImageData(width, height);
        const gray = this.pixels.subarray(picture * height * width, (picture + 1) * height * width);
        gray.forEach((level, pixel) => image.data.set([level, level, level, 255], 4 * pixel));
        element.getContext("2d").putImageData(image, 0, 0);
      }
      element.classList.toggle("framed", Boolean(this.marks[picture] & FRAMED));
      element.classList.toggle("pale", Boolean(this.marks[picture] & PALE));
    });
  }

  // The first of the moments after the one on show, or undefined.
  next(moments) {
    return moments.find((moment) => moment > this.at);
  }

  // The chart, or null before the page has drawn it; a redraw may replace the element.
  chart() {
    const chart = document.querySelector(`.st-key-${this.data.chart} .js-plotly-plot`);
    if (!window.Plotly || !chart || !chart._fullLayout || !chart.data) return null;
    return chart;
  }

  // A redrawn chart shows the start of the animation: bring it to the current moment.
  follow() {
    const shown = this.chart()?.data[this.data.clock]?.x[0];
    if (!this.drawing && shown !== this.data.times[this.at]) this.draw();
  }

  show(at) {
    this.at = Math.max(0, Math.min(at, this.data.captions.length - 1));
    this.slider.value = String(this.at);
    this.caption.textContent = this.data.captions[this.at];
    this.slider.setAttribute("aria-valuetext", this.data.captions[this.at]);
    this.drawPictures();
    clearTimeout(this.writing);
    this.writing = setTimeout(() => this.writeAddress(), ADDRESS_MS);
    this.draw();
  }

  draw() {
    if (this.drawing) {
      this.late = true;
      return;
    }
    const chart = this.chart();
    if (!chart) return;
    this.drawing = true;
    this.late = false;
    const done = () => {
      this.drawing = false;
      if (this.late) this.draw();
    };
    const drawn = window.Plotly.animate(chart, this.frames[this.at], AT_ONCE);
    Promise.race([drawn, new Promise((lost) => setTimeout(lost, LOST_MS))]).then(done, done);
  }

  play() {
    const moments = this.data.played.length ? this.data.played : [...this.data.captions.keys()];
    if (this.next(moments) === undefined) this.show(moments[0]);
    this.playButton.textContent = "Pause";
    this.timer = setInterval(() => {
      const moment = this.next(moments);
      if (moment === undefined) this.pause();
      else if (!this.drawing) this.show(moment);
    }, FRAME_MS);
  }

  leave() {
    this.pause();
    clearInterval(this.following);
    clearTimeout(this.writing);
    this.following = null;
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.playButton.textContent = "Play";
  }
}

const players = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".player");
  if (!players.has(root)) players.set(root, new Player(root));
  players.get(root).load(data);
  return () => players.get(root).leave();
}
