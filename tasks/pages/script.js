"use strict";
// What folds is unfolded on paper; and all of it at once by the buttons.
const folds = () => [...document.querySelectorAll("details")];
for (const button of document.querySelectorAll("button[data-open]")) {
  button.addEventListener("click", () => {
    for (const fold of document.getElementById(button.dataset.tree).querySelectorAll("details")) {
      fold.open = button.dataset.open === "yes";
    }
  });
}
let closed = [];
addEventListener("beforeprint", () => {
  closed = folds().filter((fold) => !fold.open);
  for (const fold of closed) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of closed) fold.open = false;
});
