"use strict";
// The pages also work without this script, which adds what HTML alone cannot do.

// If htmx replaces the focused element, the focus moves to an element with data-focus, so
// that people with a screen reader find the new content.
document.addEventListener("htmx:afterSettle", () => {
  if (document.activeElement && document.activeElement !== document.body) return;
  const next = document.querySelector("[data-focus]");
  if (next) next.focus();
});

// A checkbox with data-all="id" ticks all checkboxes named id in its form. It is hidden
// unless this script runs.
function showTickAll() {
  for (const all of document.querySelectorAll("input[data-all][hidden]")) all.hidden = false;
}
document.addEventListener("DOMContentLoaded", showTickAll);
document.addEventListener("htmx:afterSettle", showTickAll);
document.addEventListener("change", (event) => {
  const all = event.target;
  if (!(all instanceof HTMLInputElement) || !all.dataset.all || !all.form) return;
  for (const box of all.form.querySelectorAll("input[type=checkbox]")) {
    if (box.name === all.dataset.all) box.checked = all.checked;
  }
});

// If a late search result replaces a list with data-keep, the chosen option stays chosen
// if the new list has it.
const chosenIn = new WeakMap();
document.addEventListener("htmx:beforeSwap", (event) => {
  const list = event.detail.target;
  if (!list.hasAttribute("data-keep")) return;
  const chosen = list.querySelector("input[type=radio]:checked");
  if (chosen) chosenIn.set(list, chosen.value);
});
document.addEventListener("htmx:afterSwap", (event) => {
  const list = event.detail.target;
  const value = chosenIn.get(list);
  if (!chosenIn.delete(list) || list.querySelector("input[type=radio]:checked")) return;
  for (const option of list.querySelectorAll("input[type=radio]")) {
    if (option.value === value) option.checked = true;
  }
});

// A response that is not a page of the console must not replace a part of a page, because
// it would look like an empty list. If the session has ended, the page reloads to show the
// sign-in page.
function trouble(text) {
  const main = document.getElementById("main");
  let notice = document.getElementById("trouble");
  if (!text || !main) {
    if (notice) notice.remove();
    return;
  }
  if (notice) return;
  notice = document.createElement("div");
  notice.id = "trouble";
  notice.className = "notice bad";
  notice.setAttribute("role", "alert");
  const message = document.createElement("p");
  message.textContent = text;
  notice.append(message);
  main.prepend(notice);
}
document.addEventListener("htmx:beforeSwap", (event) => {
  const xhr = event.detail.xhr;
  const signIn = xhr.status === 401 || (xhr.responseURL && new URL(xhr.responseURL).pathname === "/signin");
  const page = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/html");
  if (signIn || !page) event.detail.shouldSwap = false;
  if (signIn) window.location.reload();
  else if (!page) trouble("The console could not answer. What you see may be out of date: reload the page.");
  else trouble("");
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => trouble("The console cannot be reached. What you see may be out of date."));
}
