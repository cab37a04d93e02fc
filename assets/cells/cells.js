// A table whose cells are buttons: which one is chosen goes back to the page as "row<tab>column".
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
      const place = make("td", "");
      if (cell) {
        if (cell.ground) place.style.cssText = `background:${cell.ground};color:${cell.letters}`;
        const button = make("button", cell.text, {
          type: "button",
          "aria-pressed": String(cell.id === data.chosen),
          "aria-label": cell.label,
        });
        if (cell.difference) button.append(" ", make("span", cell.difference, { class: "difference" }));
        button.onclick = () => {
          table.querySelectorAll("button").forEach((own) => own.setAttribute("aria-pressed", String(own === button)));
          setStateValue("cell", cell.id);
        };
        place.append(button);
      }
      line.append(place);
    }
    return line;
  });
  // Where the focus was, it is to stay when the page draws the same table anew.
  const buttons = () => [...table.querySelectorAll("button")];
  const focused = buttons().indexOf(parentElement.activeElement ?? document.activeElement);
  const body = document.createElement("tbody");
  body.append(...rows);
  const thead = document.createElement("thead");
  thead.append(head);
  table.replaceChildren(make("caption", data.caption), thead, body);
  if (focused >= 0 && buttons()[focused]) buttons()[focused].focus();
}
