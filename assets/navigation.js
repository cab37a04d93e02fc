// Streamlit draws the groups of the menu as list > group > heading and items; name the parts so that they form lists.
if (!window.hasNamedGroups) {
  window.hasNamedGroups = true;
  const name = () => {
    const menu = document.querySelector("[data-testid=stSidebarNavItems]");
    if (!menu || menu.getAttribute("role") === "presentation") return;
    menu.setAttribute("role", "presentation");
    for (const group of menu.children) {
      const heading = group.querySelector("[data-testid=stNavSectionHeader]");
      group.setAttribute("role", "list");
      group.setAttribute("aria-label", heading?.innerText.split("\n")[0] ?? "");
      heading?.setAttribute("aria-hidden", "true");
    }
  };
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  name();
}
