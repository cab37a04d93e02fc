// One entry of the browser's history for each visit of a page. Streamlit adds an entry for each change of the address,
// and lets a page that was left write into the address of the page that came after it.
if (!window.hasOneEntryPerPage) {
  window.hasOneEntryPerPage = true;
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  const pathOf = (url) => new URL(url, location.href).pathname;
  let path = location.pathname;
  let leaving = false; // a link of the menu was clicked, and its page is not on display yet
  let written = false; // since then the server has written an address, which belongs to the new page
  let returnedFrom = null; // the path that Back or Forward left, until the next action

  history.pushState = (state, title, url) => {
    const target = pathOf(url);
    if (target === location.pathname) {
      if (leaving) written = true;
      else replace(state, title, url);
    } else if (target !== returnedFrom) {
      // Without the parameters of the page that is left, unless the new page has already written its own.
      push(state, title, leaving && !written ? target : url);
      leaving = false;
      path = target;
    }
  };
  history.replaceState = (state, title, url) => {
    const byServer = typeof url === "string" && url.startsWith("/");
    if (byServer && leaving) written = true;
    else replace(state, title, url);
  };
  addEventListener("popstate", () => {
    leaving = false;
    if (location.pathname !== path) returnedFrom = path;
    path = location.pathname;
  }, true);
  const act = () => { returnedFrom = null; leaving = false; };
  addEventListener("pointerdown", act, true);
  addEventListener("keydown", act, true);
  addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[data-testid=stSidebarNavLink]");
    const elsewhere = event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (!link) return;
    act();
    written = false;
    leaving = !elsewhere && link.pathname !== location.pathname;
  }, true);
}
