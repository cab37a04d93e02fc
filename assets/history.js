// Entries of the browser's history: one for each visit of a page and for each settled change of a control. Streamlit adds
// an entry for each change of the address, and lets a page that was left write into the address of the next page.
//
// The server marks the page that its following addresses belong to, and the address of Back or Forward that it answers.
// A control that is bound to the address writes the label of its option; the address holds the option's name.
//
// Three constants are set in front of this script: `pageOfPath` holds the page of each last part of a path,
// `writtenByServer` the pages whose controls are not bound to the address, and `addressNames` the names of labels.
if (!window.keepsHistory) {
  window.keepsHistory = true;
  const MARK = "history-mark";
  const SETTLED_MS = 1000; // changes of one control within this time are one entry
  const HOLD_MS = 400; // a click on the menu waits this long for the address of a change before it
  const LINKS = "a[data-testid=stSidebarNavLink], a[data-testid=stPageLink-NavLink]";
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  const pageOf = (pathname) => pageOfPath[pathname.split("/").filter(Boolean).pop()] ?? pageOfPath[""];
  const parameters = (url) => JSON.stringify([...new URL(url, location.href).searchParams].sort());
  const newName = () => `${Date.now()} ${Math.random()}`;

  const nameOf = (parameter, text) => {
    const { names, form } = addressNames[parameter] ?? { names: {} };
    const found = form ? text.match(new RegExp(`^(?:${form})$`)) : null;
    return names[text] ?? found?.slice(1).find(Boolean) ?? text;
  };
  // Replace labels by names, of which a renamed label leaves links intact.
  const named = (url) => {
    const place = new URL(url, location.href);
    const pairs = [...place.searchParams].map(([parameter, text]) => [parameter, nameOf(parameter, text)]);
    place.search = new URLSearchParams(pairs);
    return place.pathname + place.search + place.hash;
  };

  let entry = history.state?.entry ?? newName(); // the name of the current entry
  let path = location.pathname;
  let writer = pageOf(path); // the page that the server's addresses belong to
  let awaited = null; // the parameters that Back or Forward brought, until the server answers them
  let owed = null; // the entry that was left before the server wrote the address of its last change
  let leaving = false; // a link to another page was clicked, and its page is not on display yet
  let early = null; // an address that the next page wrote meanwhile
  let returnedFrom = null; // the path that Back or Forward left, until the next action
  let acted = false; // the user acted, and the address has not changed since
  let actedMs = 0, changedMs = -Infinity; // times of the last action and of the last change that an action made
  let control = null, changed = null; // the controls of both
  let held = false; // a click on the menu waits for an address
  const late = new Map(); // addresses of entries that were written after they were left
  replace({ entry }, "", named(location.href));

  const begin = (name) => { [entry, awaited, acted, leaving, early] = [name, null, false, false, null]; };

  // Write the address of the entry on display: an action begins a new entry.
  const write = (url) => {
    if (parameters(url) === parameters(location.href)) return;
    const now = performance.now();
    const goesOn = control === changed && now - changedMs < SETTLED_MS;
    if (acted && !goesOn) {
      entry = newName();
      push({ entry }, "", url);
    } else replace({ entry }, "", url);
    if (acted) [changed, changedMs] = [control, now];
    acted = false;
  };

  // Take an address from the server: that of the entry on display, of the next page, or of an entry that was left.
  const take = (url) => {
    const mark = new URL(url, location.href).searchParams;
    const shown = pageOf(location.pathname);
    // As a session leaves a page with bound controls, Streamlit writes what the next page may read of its address.
    const isReliable = writtenByServer.includes(writer);
    if (mark.has(MARK)) {
      writer = mark.get(MARK);
      if (writer === shown && mark.get("answered") === awaited) awaited = null;
    } else if (writer === shown && awaited === null) {
      if (!leaving || isReliable) write(url);
    } else if (leaving && writer !== shown) early = { page: writer, url };
    else if (owed !== null && isReliable) {
      late.set(owed, new URL(url, location.href).search);
      owed = null;
    }
  };

  history.pushState = (state, title, address) => {
    const url = named(address);
    const target = new URL(url, location.href).pathname;
    if (target === location.pathname) take(url);
    else if (target !== returnedFrom) {
      // Without the parameters of the page that is left, unless the new page has already written its own.
      const search = early?.page === pageOf(target) ? new URL(early.url, location.href).search : leaving ? "" : null;
      owed = acted ? entry : null;
      begin(newName());
      push({ entry }, title, search === null ? url : target + search);
      path = target;
    }
  };
  history.replaceState = (state, title, address) => {
    if (typeof address === "string" && address.startsWith("/")) take(named(address)); // from the server
    else if (address && writer === pageOf(location.pathname)) write(named(address)); // from a control
  };

  // Choose the tab of the address that Back or Forward brought, once its page is drawn. Streamlit's tabs move only when the
  // server sends another tab than last time: a click that Back overtook stays on display, and the next run would take it.
  const followTabs = (of) => {
    if (acted || of !== entry) return;
    const app = document.querySelector("[data-testid=stApp]");
    if (awaited !== null || app?.dataset.testScriptState !== "notRunning") return void setTimeout(followTabs, 100, of);
    for (const bar of document.querySelectorAll("[class*=st-key-] [role=tablist]")) {
      const parameter = bar.closest("[class*=st-key-]").className.match(/st-key-(\S+)/)[1];
      const tabs = [...bar.querySelectorAll("[role=tab]")];
      const wanted = new URLSearchParams(location.search).get(parameter);
      const tab = tabs.find((each) => nameOf(parameter, each.textContent) === wanted) ?? tabs[0];
      if (addressNames[parameter] && tab.ariaSelected !== "true") tab.click();
    }
    acted = false; // the clicks are no action of the user
  };

  addEventListener("popstate", (event) => {
    owed = acted ? entry : null;
    begin(event.state?.entry ?? newName());
    if (late.has(entry)) replace({ entry }, "", location.pathname + late.get(entry));
    else if (!event.state?.entry) replace({ entry }, "");
    late.delete(entry);
    awaited = location.search.slice(1);
    changedMs = -Infinity;
    if (location.pathname !== path) returnedFrom = path;
    path = location.pathname;
    followTabs(entry);
  }, true);

  const linkOf = (event) => event.target instanceof Element ? event.target.closest(LINKS) : null;
  const act = (event) => {
    if (linkOf(event)) return;
    [returnedFrom, awaited, leaving, early, acted, actedMs] = [null, null, false, null, true, performance.now()];
    const box = event.target instanceof Element && event.target.closest("[data-testid=stElementContainer]");
    if (box) control = box.className.match(/st-key-\S+/)?.[0] ?? box; // the options of a list lie outside of it
  };
  addEventListener("pointerdown", act, true);
  addEventListener("keydown", act, true);

  const follow = (link) => {
    if (acted && performance.now() - actedMs < HOLD_MS) return void setTimeout(follow, 20, link);
    const drawn = [...document.querySelectorAll(LINKS)].find((other) => other.href === link.href);
    held = true;
    (drawn ?? link).click();
    held = false;
  };
  addEventListener("click", (event) => {
    const link = linkOf(event);
    const elsewhere = event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (!link) {
      if (!event.detail) act(event); // a screen reader clicks without a pointer
      return;
    }
    if (elsewhere) return;
    if (!held && acted && performance.now() - actedMs < HOLD_MS) {
      event.preventDefault();
      event.stopImmediatePropagation();
      follow(link);
      return;
    }
    [returnedFrom, awaited, early] = [null, null, null];
    leaving = link.pathname !== location.pathname;
  }, true);
}
