// Present: the full screen, and keys for the next step of a lesson. The server draws the page; see app/widgets/present.py.
if (!window.canPresent) {
  window.canPresent = true;
  const button = (key) => document.querySelector(`.st-key-${key} button:not([disabled])`);
  const inPresent = () => document.querySelector(".st-key-leave_present") !== null;
  const NEXT = ["PageDown", "ArrowRight"], BACK = ["PageUp", "ArrowLeft"];
  const OWN_KEYS = "input, textarea, select, [role=slider], [role=radio], [role=tab], [role=combobox], [contenteditable=true]";

  // Tables take the size of their type from the page when they are first drawn.
  const markTables = (small) => {
    for (const table of document.querySelectorAll(".stElementContainer:has(> * [data-testid=stDataFrame])")) {
      table.toggleAttribute("data-drawn-small", small);
    }
  };
  document.addEventListener("click", (event) => {
    const entering = event.target.closest?.(".st-key-present button");
    if (entering || event.target.closest?.(".st-key-leave_present button")) markTables(Boolean(entering));
    if (entering) document.documentElement.requestFullscreen?.().catch(() => {});
    else if (event.target.closest?.(".st-key-leave_present button") && document.fullscreenElement) document.exitFullscreen();
  }, true);
  // Esc leaves the full screen without a key event.
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && inPresent()) button("leave_present")?.click();
  });
  document.addEventListener("keydown", (event) => {
    if (!inPresent() || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Escape" && !document.fullscreenElement) return button("leave_present")?.click();
    // Arrows belong to the control that has the focus; the keys of a remote control do not.
    if (event.key.startsWith("Arrow") && event.target.closest?.(OWN_KEYS)) return;
    const step = NEXT.includes(event.key) ? button("next") ?? button("commit") : BACK.includes(event.key) ? button("back") : null;
    if (!step) return;
    event.preventDefault();
    step.click();
    document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
  }, true);
}
