function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

function bare(text) {
  return text.replaceAll("**", "");
}

function chip(source) {
  // A chip of a finished answer opens its source; until then it only says which one it is.
  const place = source.page === null ? source.place : `page ${source.page + 1}`;
  const made = element("span", "chip", String(source.number));
  made.title = `Source ${source.number}: ${source.title}, ${place}`;
  return made;
}

function parts(draft, checked) {
  // What was checked stands where it stood in the draft; offsets count characters, not halves.
  const letters = Array.from(draft);
  const made = [];
  let done = 0;
  for (const item of checked) {
    const before = letters.slice(done, item.start).join("");
    if (before) made.push(element("span", "open", bare(before)));
    const text = bare(letters.slice(item.start, item.end).join("") || item.text);
    const part = element(item.firm ? "span" : "del", item.firm ? "firm" : "struck", text);
    if (!item.firm) part.title = "Left out: no passage backs it";
    for (const source of item.citations) part.appendChild(chip(source));
    made.push(part);
    done = Math.max(done, item.end);
  }
  const rest = letters.slice(done).join("");
  made.push(element("span", "open writing", bare(rest)));
  return made;
}

function inWords(seconds) {
  if (seconds === null) return "";
  if (seconds < 60) return `, about ${Math.max(5, Math.ceil(seconds / 5) * 5)} seconds`;
  const minutes = Math.round(seconds / 60);
  return `, about ${minutes} minute${minutes === 1 ? "" : "s"}`;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  root.setAttribute("aria-label", "Answer in progress");
  root.setAttribute("role", "log");
  root.setAttribute("aria-live", "polite");
  const steps = element("ul", "steps");
  steps.appendChild(element("li", "", "Question on record"));
  let place = null;
  const draft = element("div", "draft");
  draft.setAttribute("aria-busy", "true");
  const text = element("p");
  draft.append(element("h4", "", "Draft: grey is not yet checked against the sources"), text);
  root.replaceChildren(steps, draft);

  let written = "";
  const checked = [];
  let scheduled = 0;
  const show = () => {
    scheduled = 0;
    text.replaceChildren(...parts(written, checked));
    draft.classList.toggle("on", written !== "");
  };
  // About ten updates a second are as many as an eye follows.
  const soon = () => {
    if (!scheduled) scheduled = window.setTimeout(show, 90);
  };
  const source = new EventSource(data.events);
  let timer = 0;
  source.addEventListener("waiting", (event) => {
    const waiting = JSON.parse(event.data);
    if (!place) place = steps.appendChild(element("li", "place"));
    const ahead = waiting.place === 1 ? "You are next" : `${waiting.place - 1} before you`;
    place.textContent = `Waiting for the model: ${ahead}${inWords(waiting.seconds)}`;
  });
  source.addEventListener("step", (event) => {
    if (place) place.remove();
    place = null;
    steps.appendChild(element("li", "", JSON.parse(event.data).text));
  });
  source.addEventListener("draft", (event) => {
    written += JSON.parse(event.data).text;
    soon();
  });
  source.addEventListener("sentence", (event) => {
    checked.push(JSON.parse(event.data));
    soon();
  });
  source.addEventListener("answer", () => {
    source.close();
    setTriggerValue("ended", true);
  });
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return;
    timer = window.setTimeout(() => setTriggerValue("ended", true), 2000);
  });
  return () => {
    source.close();
    window.clearTimeout(scheduled);
    window.clearTimeout(timer);
  };
}
