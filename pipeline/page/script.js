"use strict";
// Tables: a button in each head sorts by its column; numbers by their whole value, unknown ones last.
const compare = new Intl.Collator(undefined, { numeric: true }).compare;
const known = (cell) => cell.dataset.value ?? cell.textContent;
function sort(head) {
  const table = head.closest("table"), column = head.cellIndex, body = table.tBodies[0];
  const numbers = head.classList.contains("number");
  const before = head.getAttribute("aria-sort");
  // The first click shows the largest numbers, or text from A to Z.
  const down = before === "none" ? numbers : before === "ascending";
  for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.rows].map((row) => [known(row.cells[column]), row]);
  rows.sort(([a], [b]) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return (numbers ? a - b : compare(a, b)) * (down ? -1 : 1);
  });
  body.append(...rows.map(([, row]) => row));
}
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sort(button.closest("th")));
}

// Pictures are shown large by a click or key; a click anywhere, or Escape, closes.
const large = document.createElement("dialog");
large.className = "enlarged";
large.addEventListener("click", () => large.close());
document.body.append(large);
function enlarge(image) {
  const copy = new Image(), words = document.createElement("p");
  copy.src = image.src;
  copy.alt = image.alt;
  copy.className = image.className;
  words.textContent = image.alt;
  large.replaceChildren(copy, words);
  large.setAttribute("aria-label", image.alt);
  large.showModal();
}
for (const image of document.querySelectorAll(".pictures img")) {
  image.tabIndex = 0;
  image.setAttribute("role", "button");
  image.addEventListener("click", () => enlarge(image));
  image.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    enlarge(image);
  });
}

// What scrolls sideways can be reached by keyboard, and only that.
const boxes = document.querySelectorAll(".scroll");
function reachable() {
  for (const box of boxes) {
    const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    const marks = scrolls ? { tabindex: "0", role: "region", "aria-label": box.dataset.label } : {};
    for (const name of ["tabindex", "role", "aria-label"]) {
      if (name in marks) box.setAttribute(name, marks[name]);
      else box.removeAttribute(name);
    }
  }
}
new ResizeObserver(reachable).observe(document.body);
document.addEventListener("toggle", reachable, true);
reachable();

// The navigation marks the section that is being read.
const links = new Map([...document.querySelectorAll(".page nav a")].map((link) => [link.hash.slice(1), link]));
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(entry.target.id)?.setAttribute("aria-current", "true");
  }
}, { rootMargin: "-10% 0px -80% 0px" });
for (const section of document.querySelectorAll("main > section")) observer.observe(section);
