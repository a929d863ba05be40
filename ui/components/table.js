function make(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = String(text);
  return made;
}

function share(value) {
  const box = make("div", "gauge");
  const rail = make("i");
  const bar = make("b");
  bar.style.width = `${Math.round(100 * Math.min(1, Math.max(0, value)))}%`;
  rail.appendChild(bar);
  box.append(rail, make("span", "", Number(value).toFixed(2)));
  return box;
}

function cell(column, row) {
  const value = row.cells[column.key];
  const box = make("td", column.kind);
  if (value === undefined || value === "") return box;
  if (column.kind === "share") box.appendChild(share(value));
  else if (column.kind === "state") box.appendChild(make("span", "dot", value));
  else box.textContent = String(value);
  return box;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const table = make("table");
  table.appendChild(make("caption", "hidden", data.caption));
  const head = make("tr");
  for (const column of data.columns) {
    const title = make("th", column.kind, column.label);
    title.scope = "col";
    head.appendChild(title);
  }
  const top = make("thead");
  top.appendChild(head);
  const body = make("tbody");
  for (const row of data.rows) {
    const line = make("tr", row.tone);
    data.columns.forEach((column, index) => {
      const box = cell(column, row);
      if (data.choosable && index === 0) {
        const button = make("button", "", box.textContent);
        button.type = "button";
        box.replaceChildren(button);
      }
      line.appendChild(box);
    });
    if (data.choosable) {
      line.classList.add("choosable");
      line.setAttribute("aria-current", String(row.id === data.chosen));
      line.addEventListener("click", () => setTriggerValue("pick", row.id));
    }
    body.appendChild(line);
  }
  table.append(top, body);
  const frame = make("div", "frame");
  frame.appendChild(table);
  root.replaceChildren(frame);
}
