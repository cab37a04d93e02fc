// A table whose cells are buttons; the id of a clicked cell, "row~column", is returned to the page.
export default function ({ data, parentElement, setStateValue }) {
  const table = parentElement.querySelector("table");
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const head = make("tr", "");
  head.append(make("td", ""), ...data.columns.map((name) => make("th", name, { scope: "col" })));
  const rows = data.rows.map((row) => {
    const line = make("tr", "");
    line.append(make("th", row.name, { scope: "row" }));
    for (const cell of row.cells) {
      const field = make("td", "");
      if (cell) {
        if (cell.ground) field.style.cssText = `background:${cell.ground};color:${cell.letters}`;
        const button = make("button", cell.text, {
          type: "button",
          "aria-pressed": String(cell.id === data.chosen),
          "aria-label": cell.label,
        });
        if (cell.difference) button.append(" ", make("span", cell.difference, { class: "difference" }));
        if (cell.gain) button.append(" ", make("span", cell.gain, { class: "gain" }));
        button.onclick = () => {
          table.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
          setStateValue("cell", { id: cell.id, clickedMs: Date.now() }); // the same cell may be clicked again
        };
        field.append(button);
      }
      line.append(field);
    }
    return line;
  });
  // Keep the focus on its cell when the page redraws the table.
  const buttons = () => [...table.querySelectorAll("button")];
  const focused = buttons().indexOf(parentElement.activeElement ?? document.activeElement);
  const body = document.createElement("tbody");
  body.append(...rows);
  const thead = document.createElement("thead");
  thead.append(head);
  table.replaceChildren(make("caption", data.caption), thead, body);
  if (focused >= 0 && buttons()[focused]) buttons()[focused].focus();
}
