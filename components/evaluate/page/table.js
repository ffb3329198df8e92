// A table that sorts by any column. Columns: `key`, `label`, and where wanted `title`, `name` (text, to the left), `write`
// (value -> text) and `cell` (row -> node). With `pick`, a row is a choice: by click, or by Enter on the button in its first cell.
"use strict";

function sortableTable(container, columns, { by, down = false, pick = null }) {
  let rows = [];
  let order = { by, down };
  const body = make("tbody");
  const heads = columns.map((column) => {
    const button = make("button", { type: "button", title: column.title, click: () => sort(column) }, column.label);
    return make("th", { scope: "col", class: column.name ? "name" : null }, button);
  });
  container.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body));

  // A column starts with what people look for: names from A, numbers from the smallest; a second click turns it round.
  function sort(column) {
    order = { by: column.key, down: order.by === column.key ? !order.down : false };
    draw();
  }

  function draw() {
    heads.forEach((head, index) => {
      const active = columns[index].key === order.by;
      if (active) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    body.replaceChildren(...[...rows].sort(compare).map(rowOf));
  }

  // Rows without a value stay at the end, whichever way the column is sorted.
  function compare(a, b) {
    const [x, y] = [a[order.by], b[order.by]];
    if (x === null || y === null) return (x === null) - (y === null);
    const ascending = typeof x === "string" ? x.localeCompare(y) : x - y;
    return order.down ? -ascending : ascending;
  }

  function rowOf(row) {
    const cells = columns.map((column, index) => {
      const shown = column.cell ? column.cell(row) : column.write ? column.write(row[column.key]) : String(row[column.key]);
      const content = pick && index === 0 ? make("button", { type: "button", class: "pick" }, shown) : shown;
      return make("td", { class: column.name ? "name" : null }, content);
    });
    if (!pick) return make("tr", {}, ...cells);
    const element = make("tr", { class: "choice", click: () => { chosen(element); pick(row); } }, ...cells);
    return element;
  }

  function chosen(element) {
    for (const other of body.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    element.setAttribute("aria-current", "true");
  }

  return { show(wanted) { rows = wanted; draw(); } };
}

// A number with a bar, to be read down a column.
function meter(value) {
  const cell = document.createDocumentFragment();
  cell.append(fixed(2)(value), make("meter", { min: 0, max: 1, value: value ?? 0, "aria-hidden": "true" }));
  return cell;
}
