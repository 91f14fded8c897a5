"use strict";
// Sorting, copying, and the grid of w and τ. Without this script tables, pictures and words are all there.
document.documentElement.classList.add("js");

function say(text) {
  document.getElementById("status").textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => say(""), 6000);
}

function made(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// What a cell sorts by: its leading number ("85.26 ± 0.30", "−1.20", "∞"), its text, or nothing where nothing is known.
function key(cell) {
  const text = cell.textContent.trim();
  if (["", "–", "not trained"].includes(text)) return { missing: true };
  const plain = text.replace("−", "-").replace("∞", "Infinity");
  const number = /^[+-]?(\d+(\.\d+)?(e[+-]?\d+)?|Infinity)(?![\w.])/.exec(plain);
  return { text, number: number ? Number(number[0]) : null };
}

// The rows by one column; what is missing stays last either way, and equal rows keep their order.
function sorted(rows, column, direction) {
  const keyed = rows.map(row => [key(row.cells[column]), row]);
  const numeric = keyed.every(([entry]) => entry.missing || entry.number !== null);
  const apart = (a, b) => numeric
    ? (a.number === b.number ? 0 : a.number < b.number ? -1 : 1)
    : a.text.localeCompare(b.text, "en", { numeric: true });
  return keyed
    .sort(([a], [b]) => a.missing || b.missing ? Boolean(a.missing) - Boolean(b.missing) : direction * apart(a, b))
    .map(([, row]) => row);
}

// One order over all rows: a ranking within groups of one method would say little, so groups are merged into the first body
// while a column sorts. Ascending, descending, and the third press puts every row back into its group.
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const home = [...table.tBodies].map(body => [body, [...body.rows]]);
  const rows = home.flatMap(([, own]) => own);
  const press = (head, column) => {
    const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
    const order = next === undefined ? "ascending" : next;
    heads.forEach(other => other.removeAttribute("aria-sort"));
    if (order) {
      head.setAttribute("aria-sort", order);
      home[0][0].append(...sorted(rows, column, order === "ascending" ? 1 : -1));
    } else {
      home.forEach(([body, own]) => body.append(...own));
    }
    say(order ? `Sorted by ${head.textContent}, ${order}` : "In the original order");
  };
  heads.forEach((head, column) => {
    const button = made("button", { type: "button" }, ...head.childNodes);
    button.addEventListener("click", () => press(head, column));
    head.append(button);
  });
}

// For pages from a file, where a browser may keep the clipboard from scripts.
function copiedBySelection(text) {
  const focused = document.activeElement;
  const area = made("textarea", { value: text, readOnly: true, style: "position: fixed; top: 0; opacity: 0" });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

async function copy(text, what) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    done = copiedBySelection(text);
  }
  say(done ? `Copied as ${what}` : "This browser does not let the page copy");
}

function copyable(figure) {
  const forms = [...figure.querySelectorAll(":scope > template[data-copy]")];
  const buttons = forms.map(form => {
    const what = form.dataset.copy;
    const button = made("button", { type: "button" }, what);
    button.addEventListener("click", () => copy(form.content.textContent, what));
    return button;
  });
  const group = made("div", { className: "copy", role: "group", ariaLabel: "Copy this table as" }, "Copy as ");
  buttons.forEach(button => group.append(button, " "));
  figure.querySelector(":scope > .scroll").after(group);
}

// One stop of the Tab key, arrow keys inside; the next Tab goes to the links of the cell that is shown.
function explorable(heat) {
  const panel = heat.querySelector(".panel");
  const squares = [...heat.querySelectorAll(".square")];
  let kept = null;
  const show = square => {
    panel.replaceChildren(square.querySelector("template").content.cloneNode(true));
    squares.forEach(other => {
      other.classList.toggle("shown", other === square);
      other.tabIndex = other === square ? 0 : -1;
    });
  };
  const keep = square => {
    kept = square;
    squares.forEach(other => other.setAttribute("aria-selected", other === square));
  };
  const move = (square, right, down) => {
    const row = square.parentElement.parentElement.rows[square.parentElement.sectionRowIndex + down];
    const next = row?.cells[square.cellIndex + right];
    if (next?.matches(".square")) next.focus();
  };
  const arrows = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  squares.forEach(square => {
    square.addEventListener("mouseenter", () => kept || show(square));
    square.addEventListener("focus", () => { if (kept !== square) keep(null); show(square); });
    square.addEventListener("click", () => keep(kept === square ? null : square));
    square.addEventListener("keydown", event => {
      if (event.key in arrows) move(square, ...arrows[event.key]);
      else if (event.key === "Enter" || event.key === " ") keep(kept === square ? null : square);
      else if (event.key === "Escape") keep(null);
      else return;
      event.preventDefault();
    });
  });
  heat.hidden = false;
  keep(null);
  show(heat.querySelector(".highest") ?? squares[0]);
}

document.querySelectorAll("figure > .scroll > table").forEach(sortable);
document.querySelectorAll("figure:has(> template[data-copy])").forEach(copyable);
document.querySelectorAll(".heat").forEach(explorable);
