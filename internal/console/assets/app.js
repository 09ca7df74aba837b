"use strict";
// What htmx swaps in must be found by people who do not see the screen: the
// focus goes to the first element of it that asks for that, unless it is still
// where the person was.
document.addEventListener("htmx:afterSettle", (event) => {
  const focused = document.activeElement;
  if (focused && focused !== document.body) return;
  const into = event.detail.target;
  const next = into && into.querySelector("[data-focus]");
  if (next) next.focus();
});
