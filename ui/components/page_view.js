const POINTS_TO_PIXELS = 1.7;

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root");
  const figure = document.createElement("figure");
  figure.tabIndex = 0;
  figure.setAttribute("aria-label", "Page image");
  const image = document.createElement("img");
  image.alt = data.alt;
  image.addEventListener("error", () => {
    const note = document.createElement("p");
    note.className = "away";
    note.textContent = "This page cannot be shown. You may no longer have the right to read it, or the service is away.";
    figure.replaceChildren(note);
  });
  if (data.focus) {
    figure.classList.add("near");
    image.addEventListener("load", () => {
      const scale = (image.clientWidth / image.naturalWidth) * POINTS_TO_PIXELS;
      figure.scrollTo(data.focus[0] * scale - 40, data.focus[1] * scale - 120);
    });
  }
  const old = root.querySelector("img");
  image.src = data.address;
  if (old && old.naturalWidth) figure.style.minHeight = `${Math.min(old.clientHeight, 600)}px`;
  image.addEventListener("load", () => (figure.style.minHeight = ""));
  figure.appendChild(image);
  root.replaceChildren(figure);
}
