// The tour: a panel beside one part of a page after the other, for mouse and keyboard, over several pages.
//
// tourSteps: [{ page, path, key, text }]; pageOfPath as in history.js. A button of the class tour-start begins it.
if (!window.givesTour) {
  window.givesTour = true;
  const KEPT = "tour-step"; // in the tab's storage, so that a step on another page survives a reload
  const FOLLOW_MS = 150;
  const GAP = 12;
  const steps = window.tourSteps;
  const pageOf = (pathname) => pageOfPath[pathname.split("/").filter(Boolean).pop()] ?? pageOfPath[""];
  let current = -1, follower = 0, scrolled = false, opener = null;

  const make = (tag, name, text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });
  const ring = make("div", "tour-ring"), panel = make("div", "tour");
  const count = make("p", "tour-count"), words = make("p", "tour-text"), row = make("div", "tour-buttons");
  const back = make("button", "", "Back"), next = make("button", "tour-next"), end = make("button", "", "End tour");
  for (const button of [back, next, end]) button.type = "button";
  panel.setAttribute("role", "dialog");
  panel.setAttribute("aria-label", "Tour");
  words.id = "tour-text";
  next.setAttribute("aria-describedby", words.id);
  row.append(next, back, end);
  panel.append(count, words, row);

  const target = () => {
    const element = document.querySelector(`.st-key-${steps[current].key}`);
    return element?.checkVisibility() && element.getBoundingClientRect().width > 1 ? element : null;
  };

  const follow = () => {
    const app = document.querySelector("[data-testid=stApp]");
    if (panel.parentElement !== app) {
      app.append(ring, panel);
      next.focus({ preventScroll: true });
    }
    const element = pageOf(location.pathname) === steps[current].page ? target() : null;
    ring.hidden = !element;
    const { width, height } = panel.getBoundingClientRect();
    let left = innerWidth - width - 24, top = innerHeight - height - 24;
    if (element) {
      if (!scrolled) element.scrollIntoView({ block: "nearest" });
      scrolled = true;
      const box = element.getBoundingClientRect();
      Object.assign(ring.style, {
        left: `${box.left - 4}px`, top: `${box.top - 4}px`, width: `${box.width + 8}px`, height: `${box.height + 8}px`,
      });
      const isBeside = box.right + GAP + width + 8 < innerWidth;
      left = isBeside ? box.right + GAP : Math.min(box.left, innerWidth - width - 8);
      const isBelow = box.bottom + GAP + height < innerHeight;
      top = isBeside ? box.top : isBelow ? box.bottom + GAP : box.top - height - GAP;
    }
    panel.style.left = `${Math.max(8, left)}px`;
    panel.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8))}px`;
  };

  const stop = () => {
    clearInterval(follower);
    ring.remove();
    panel.remove();
    sessionStorage.removeItem(KEPT);
    const left = current >= 0 ? target() : null;
    current = -1;
    const stops = "input, button, a[href], [tabindex='0']";
    (left?.querySelector(stops) ?? (opener?.isConnected ? opener : null))?.focus({ preventScroll: true });
  };

  const show = (number) => {
    if (number < 0) return;
    if (number >= steps.length) return stop();
    current = number;
    scrolled = false;
    sessionStorage.setItem(KEPT, number);
    const { page, path, text } = steps[number];
    count.textContent = `Tour, ${number + 1} of ${steps.length}`;
    words.textContent = text;
    next.textContent = number + 1 < steps.length ? "Next" : "Done";
    back.hidden = number === 0;
    clearInterval(follower);
    follower = setInterval(follow, FOLLOW_MS);
    follow();
    next.focus({ preventScroll: true });
    if (pageOf(location.pathname) !== page) {
      const links = [...document.querySelectorAll("a[data-testid=stSidebarNavLink]")];
      const link = links.find((each) => pageOf(each.pathname) === page);
      if (link) link.click();
      else location.assign(new URL(path || ".", location.href));
    }
  };

  next.addEventListener("click", () => show(current + 1));
  back.addEventListener("click", () => show(current - 1));
  end.addEventListener("click", stop);
  addEventListener("keydown", (event) => {
    if (current < 0) return;
    if (event.key === "Escape") stop();
    else if (event.key === "ArrowRight" && panel.contains(event.target)) show(current + 1);
    else if (event.key === "ArrowLeft" && panel.contains(event.target)) show(current - 1);
  }, true);
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest(".tour-start")) return;
    opener = event.target.closest(".tour-start");
    show(0);
  });
  const kept = sessionStorage.getItem(KEPT);
  if (kept !== null && steps[kept]) show(Number(kept));
}
