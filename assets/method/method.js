// Draws an SVG picture and moves it to the next one: elements stay, so that their style can change gradually.
//
// data: svg is the text of one svg element; each picture has the same elements in the same order.
export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".method");
  const next = new DOMParser().parseFromString(data.svg, "text/html").querySelector("svg");
  const shown = place.querySelector("svg");
  if (!shown) {
    place.replaceChildren(next);
    return;
  }
  const elements = (svg) => [svg, ...svg.querySelectorAll("*")];
  const targets = elements(next);
  elements(shown).forEach((element, index) => {
    const target = targets[index];
    for (const { name, value } of target.attributes) element.setAttribute(name, value);
    if (!target.children.length && element.textContent !== target.textContent) element.textContent = target.textContent;
  });
}
