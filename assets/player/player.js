// Moves a Plotly chart of the page through the moments of a film, all in the browser.
//
// data: key names the film; chart is the key of the st.plotly_chart that it moves; captions has a line
// for each moment; changes says what differs from moment to moment (see app/film.py); clock is the
// trace whose x[0] tells which moment the chart shows, times what it is then; start is the first
// moment on show; jump is how many moments the fifth button leaps, jump_label its name.

const FRAME_MS = 90;
const FOLLOW_MS = 200;
const LOST_MS = 1000; // Plotly never says that it is done with a chart that the page drew anew meanwhile
const AT_ONCE = { mode: "immediate", frame: { duration: 0, redraw: false }, transition: { duration: 0 } };
const NOWHERE = [null]; // Plotly leaves the marks of a trace where they are that has none any more
const KINDS = { f4: Float32Array, i4: Int32Array };

function unpacked({ dtype, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new KINDS[dtype](bytes.buffer);
}

// One frame for each moment, as Plotly.animate takes it.
function framesOf(data) {
  const traces = [...new Set(data.changes.map((change) => change.trace))];
  const frames = data.captions.map(() => ({ traces, data: traces.map(() => ({})) }));
  for (const { trace, attribute, values, offsets, words } of data.changes) {
    const place = traces.indexOf(trace);
    const all = words ? null : unpacked(values);
    const begins = words ? null : unpacked(offsets);
    frames.forEach((frame, moment) => {
      // A plain array: the page copies a chart as JSON when it draws it in another theme.
      const own = words ? words[moment] : Array.from(all.subarray(begins[moment], begins[moment + 1]));
      frame.data[place][attribute] = own.length ? own : NOWHERE;
    });
  }
  return frames;
}

class Player {
  constructor(root) {
    this.root = root;
    this.slider = root.querySelector("input");
    this.caption = root.querySelector("output");
    this.playButton = root.querySelector("[data-act=play]");
    const acts = {
      first: () => this.show(0),
      back: () => this.show(this.at - 1),
      next: () => this.show(this.at + 1),
      jump: () => this.show(this.at + this.data.jump),
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

  take(data) {
    this.following ??= setInterval(() => this.follow(), FOLLOW_MS);
    if (this.data && this.data.key === data.key) return;
    const moved = this.data && this.at !== this.data.start && data.captions.length === this.data.captions.length;
    this.data = data;
    this.frames = framesOf(data);
    this.slider.max = String(data.captions.length - 1);
    this.slider.setAttribute("aria-label", data.label);
    const jump = this.root.querySelector("[data-act=jump]");
    jump.hidden = data.jump <= 1;
    jump.textContent = data.jump_label;
    this.show(moved ? this.at : data.start);
  }

  // The chart, once it is there; it may be another element after the page has drawn it anew.
  chart() {
    const found = document.querySelector(`.st-key-${this.data.chart} .js-plotly-plot`);
    if (!window.Plotly || !found || !found._fullLayout || !found.data) return null;
    return found;
  }

  // A chart that the page has just drawn shows the film's first picture, whatever moment is due.
  follow() {
    const shown = this.chart()?.data[this.data.clock]?.x[0];
    if (!this.drawing && shown !== this.data.times[this.at]) this.draw();
  }

  show(at) {
    this.at = Math.max(0, Math.min(at, this.data.captions.length - 1));
    this.slider.value = String(this.at);
    this.caption.textContent = this.data.captions[this.at];
    this.slider.setAttribute("aria-valuetext", this.data.captions[this.at]);
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
    if (this.at === this.data.captions.length - 1) this.show(0);
    this.playButton.textContent = "Pause";
    this.timer = setInterval(() => {
      if (this.at === this.data.captions.length - 1) this.pause();
      else if (!this.drawing) this.show(this.at + 1);
    }, FRAME_MS);
  }

  leave() {
    this.pause();
    clearInterval(this.following);
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
  players.get(root).take(data);
  return () => players.get(root).leave();
}
