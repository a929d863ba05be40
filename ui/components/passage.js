export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root");
  const paragraph = document.createElement("p");
  paragraph.tabIndex = 0;
  for (const [tag, text] of [["span", data.before], ["mark", data.marked], ["span", data.after]]) {
    const part = document.createElement(tag);
    part.textContent = text;
    paragraph.appendChild(part);
  }
  root.replaceChildren(paragraph);
  const mark = paragraph.querySelector("mark");
  paragraph.scrollTop = Math.max(0, mark.offsetTop - paragraph.offsetTop - 80);
}
