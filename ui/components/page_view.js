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
  if (data.fit && !data.focus) figure.classList.add("fit");
  if (data.focus) {
    figure.classList.add("near");
    image.addEventListener("load", () => {
      const scale = (image.clientWidth / image.naturalWidth) * POINTS_TO_PIXELS;
      figure.scrollTo(data.focus[0] * scale - 40, data.focus[1] * scale - 120);
    });
  }
  image.src = data.address;
  figure.appendChild(image);
  root.replaceChildren(figure);
}
