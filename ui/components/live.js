function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  root.setAttribute("role", "log");
  root.setAttribute("aria-live", "polite");
  root.setAttribute("aria-label", "Answer in progress");
  const steps = element("ul", "steps");
  steps.appendChild(element("li", "", "Question on record"));
  const draft = element("div", "draft");
  draft.setAttribute("aria-busy", "true");
  const text = element("p");
  draft.append(element("h4", "", "Draft, not yet checked against the sources"), text);
  root.replaceChildren(steps, draft);

  let written = "";
  let scheduled = 0;
  const show = () => {
    scheduled = 0;
    text.textContent = written.replaceAll("**", "");
    draft.classList.toggle("on", written !== "");
  };
  const source = new EventSource(data.events);
  let timer = 0;
  source.addEventListener("step", (event) => {
    steps.appendChild(element("li", "", JSON.parse(event.data).text));
  });
  source.addEventListener("draft", (event) => {
    written += JSON.parse(event.data).text;
    // About ten updates a second are as many as an eye follows.
    if (!scheduled) scheduled = window.setTimeout(show, 90);
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
