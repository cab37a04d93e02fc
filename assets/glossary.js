// Explains each word of the glossary where it first stands on a page. A word gets a button without text, laid over it:
// the text itself belongs to Streamlit. The button shows the meaning when it is pointed at, focused or touched.
//
// glossaryTerms: [{ name, pattern, meaning }], the longer words first.
if (!window.explainsTerms) {
  window.explainsTerms = true;
  const PAUSE_MS = 300;
  const AREAS = ".page-header p, [data-testid=stMain] [data-testid=stMarkdownContainer]";
  // What is a control itself, and the list of the glossary.
  const SKIPPED = "button, a, label, summary, code, pre, .katex, [role=tab], [role=radiogroup], [role=option], " +
    "[role=tooltip], [data-testid=stWidgetLabel], [data-testid=stAlert], .st-key-glossary, [data-stale=true]";
  const terms = window.glossaryTerms.map((term) => ({ ...term, regex: new RegExp(term.pattern.replaceAll("\\w", "\\p{L}\\p{N}_"), "iu") }));

  const tip = document.createElement("div");
  tip.className = "term-tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  let hiding = 0;
  const show = (button) => {
    clearTimeout(hiding);
    const app = document.querySelector("[data-testid=stApp]");
    if (tip.parentElement !== app) app.append(tip);
    tip.replaceChildren(Object.assign(document.createElement("strong"), { textContent: button.dataset.term }),
      ` ${button.dataset.meaning}`);
    tip.hidden = false;
    const word = button.getBoundingClientRect(), box = tip.getBoundingClientRect();
    const below = word.bottom + 4 + box.height < innerHeight;
    tip.style.left = `${Math.max(8, Math.min(word.left, innerWidth - box.width - 8))}px`;
    tip.style.top = `${below ? word.bottom + 4 : Math.max(8, word.top - box.height - 4)}px`;
  };
  const hide = () => { tip.hidden = true; };
  const hideSoon = () => { hiding = setTimeout(hide, 200); };
  tip.addEventListener("mouseenter", () => clearTimeout(hiding));
  tip.addEventListener("mouseleave", hideSoon);
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); }, true);
  addEventListener("scroll", hide, true);

  const makeButton = ({ name, meaning }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "term";
    button.dataset.term = name;
    button.dataset.meaning = meaning;
    button.setAttribute("aria-label", `${name}: ${meaning}`);
    button.addEventListener("mouseenter", () => show(button));
    button.addEventListener("mouseleave", hideSoon);
    button.addEventListener("focus", () => show(button));
    button.addEventListener("blur", hide);
    button.addEventListener("click", (event) => { event.preventDefault(); event.stopPropagation(); show(button); });
    return button;
  };

  // Boxes of one line and the next overlap a little.
  const cover = (one, other) => one.left < other.right && other.left < one.right &&
    Math.abs(one.top + one.bottom - other.top - other.bottom) / 2 < 0.6 * Math.min(one.height, other.height);

  // The first visible place of each term: [{ term, area, box }], at most one a term, none over another.
  const places = () => {
    const found = new Map(), boxes = [];
    for (const area of document.querySelectorAll(AREAS)) {
      if (found.size === terms.length) break;
      if (area.closest(SKIPPED) || area.parentElement?.closest(AREAS)) continue;
      const nodes = document.createTreeWalker(area, NodeFilter.SHOW_TEXT);
      while (nodes.nextNode()) {
        const node = nodes.currentNode;
        if (!node.data.trim() || node.parentElement.closest(SKIPPED)) continue;
        for (const term of terms) {
          const match = found.has(term) ? null : term.regex.exec(node.data);
          if (!match) continue;
          const range = document.createRange();
          range.setStart(node, match.index);
          range.setEnd(node, match.index + match[0].length);
          const box = range.getClientRects()[0];
          if (!box || box.width < 2 || !node.parentElement.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
          if (boxes.some((other) => cover(box, other))) continue;
          boxes.push(box);
          found.set(term, { term, area, box });
        }
      }
    }
    return [...found.values()];
  };

  const place = () => {
    const focused = document.activeElement?.classList.contains("term") ? document.activeElement.dataset.term : null;
    const kept = new Set();
    for (const { term, area, box } of places()) {
      let button = [...area.children].find((child) => child.dataset.term === term.name && child.className === "term");
      if (!button) {
        button = makeButton(term);
        area.append(button);
      }
      kept.add(button);
      const origin = area.getBoundingClientRect();
      // A target of 24 pixels, with its line below the word.
      const height = Math.max(24, box.height);
      const style = {
        left: `${box.left - origin.left}px`,
        top: `${box.top - origin.top - (height - box.height) / 2}px`,
        width: `${Math.max(24, box.width)}px`,
        height: `${height}px`,
      };
      for (const [name, value] of Object.entries(style)) if (button.style[name] !== value) button.style[name] = value;
    }
    for (const button of document.querySelectorAll(".term")) if (!kept.has(button)) button.remove();
    if (focused) [...kept].find((button) => button.dataset.term === focused && button !== document.activeElement)?.focus({ preventScroll: true });
  };

  let waiting = 0;
  const later = () => { waiting ||= setTimeout(() => { waiting = 0; place(); }, PAUSE_MS); };
  const isOurs = (node) => node.nodeType === Node.ELEMENT_NODE && /^term(-tip)?$/.test(node.className);
  new MutationObserver((changes) => {
    const foreign = changes.some(({ type, target, addedNodes, removedNodes }) =>
      type === "characterData" || (!isOurs(target) && [...addedNodes, ...removedNodes].some((node) => !isOurs(node))));
    if (foreign) later();
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
  addEventListener("resize", later);
  document.fonts?.ready.then(later);
  later();
}
