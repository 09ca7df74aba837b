"use strict";
// The pages work without this file. It adds what HTML alone cannot do.

// What htmx swaps in must be found by people who do not see the screen: if the
// focus was in what has gone, it goes to what asks for it.
document.addEventListener("htmx:afterSettle", () => {
  if (document.activeElement && document.activeElement !== document.body) return;
  const next = document.querySelector("[data-focus]");
  if (next) next.focus();
});

// A tick box with data-all="id" ticks all boxes named id of its form. Without
// this script it stays hidden.
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
