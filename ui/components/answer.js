const STYLES = new Set(["strong", "em", "code"]);

function styled(span) {
  let node = document.createTextNode(span.text);
  for (const style of span.styles) {
    if (!STYLES.has(style)) continue;
    const wrap = document.createElement(style);
    wrap.appendChild(node);
    node = wrap;
  }
  return node;
}

function chip(number, label, pressed, cite) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "chip";
  button.textContent = String(number);
  button.title = label;
  button.dataset.number = String(number);
  button.setAttribute("aria-label", label);
  button.setAttribute("aria-pressed", String(pressed));
  button.addEventListener("click", () => cite(number));
  return button;
}

function splitEnd(text) {
  // The last word, the chips and the full stop after it stay on one line.
  const found = /^([\s\S]*?)(\S*?)([.!?:;,…]*)\s*$/.exec(text);
  return found ? found.slice(1) : [text, "", ""];
}

function sentence(item, data, cite) {
  const part = document.createElement("span");
  const spans = item.spans.slice();
  const last = spans.pop() || { text: "", styles: [] };
  const [head, word, stop] = splitEnd(last.text);
  for (const span of spans) part.appendChild(styled(span));
  part.appendChild(styled({ text: head, styles: last.styles }));
  const keep = document.createElement("span");
  keep.className = "keep";
  keep.appendChild(styled({ text: item.quoted ? word + stop : word, styles: last.styles }));
  if (item.quoted) {
    const end = document.createElement("span");
    end.className = "end";
    keep.appendChild(end);
  }
  for (const number of item.citations) {
    keep.appendChild(chip(number, data.labels[number], number === data.chosen, cite));
  }
  if (!item.quoted) keep.appendChild(document.createTextNode(stop));
  part.appendChild(keep);
  part.appendChild(document.createTextNode(" "));
  return part;
}

function blocks(data, cite) {
  const made = [];
  let paragraph = null;
  let list = null;
  for (const item of data.sentences) {
    if (item.quoted) {
      const quote = document.createElement("blockquote");
      if (item.columns) {
        const names = document.createElement("div");
        names.className = "columns";
        names.textContent = item.columns;
        quote.appendChild(names);
      }
      const said = sentence(item, data, cite);
      said.className = "said";
      quote.appendChild(said);
      made.push(quote);
      paragraph = list = null;
      continue;
    }
    const first = item.spans.length ? item.spans[0].text : "";
    const bullet = /^\s*(?:[-*•]|\d+[.)])\s+/.exec(first);
    if (bullet) {
      if (!list) made.push((list = document.createElement("ul")));
      const rest = { ...item.spans[0], text: first.slice(bullet[0].length) };
      const entry = document.createElement("li");
      entry.appendChild(sentence({ ...item, spans: [rest, ...item.spans.slice(1)] }, data, cite));
      list.appendChild(entry);
      paragraph = null;
      continue;
    }
    if (!paragraph || first.startsWith("\n")) made.push((paragraph = document.createElement("p")));
    paragraph.appendChild(sentence(item, data, cite));
    list = null;
  }
  return made;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const mounting = root.childElementCount === 0;
  const focused = root.getRootNode().activeElement;
  const focusedNumber = focused && focused.dataset ? focused.dataset.number : null;
  root.setAttribute("role", "log");
  root.setAttribute("aria-live", "polite");
  root.setAttribute("aria-label", "Answer");
  root.replaceChildren(...blocks(data, (number) => setTriggerValue("cite", number)));
  const wanted = focusedNumber || (mounting && data.chosen && document.activeElement === document.body ? data.chosen : null);
  const target = wanted && root.querySelector(`[data-number="${Number(wanted)}"]`);
  if (target) target.focus({ preventScroll: true });
}
