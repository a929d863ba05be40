export default function ({ data, parentElement }) {
  if (!data.form) {
    window.location.assign("/sign-in");
    return;
  }
  const root = parentElement.querySelector(".root");
  if (root.childElementCount) return;
  const form = document.createElement("form");
  form.method = "post";
  form.action = "/sign-out";
  const button = document.createElement("button");
  button.type = "submit";
  button.textContent = "Sign out";
  form.appendChild(button);
  root.appendChild(form);
}
