// Figures with their intervals as small drawings in a table, grouped by dimension.
"use strict";

// A dot at `value` on a line from `low` to `high`, on a scale from `scale[0]` to `scale[1]`, with an upright line at `reference`.
function intervalMark({ low, value, high }, scale, reference, kind, words) {
  const width = 140;
  const place = (number) => 4 + (width - 8) * Math.min(1, Math.max(0, (number - scale[0]) / (scale[1] - scale[0])));
  return makeSvg(
    "svg", { class: `interval-mark ${kind}`, viewBox: `0 0 ${width} 16`, width, height: 16, role: "img", "aria-label": words },
    makeSvg("line", { class: "reference", x1: place(reference), x2: place(reference), y1: 0, y2: 16 }),
    makeSvg("line", { class: "span", x1: place(low), x2: place(high), y1: 8, y2: 8 }),
    makeSvg("circle", { cx: place(value), cy: 8, r: 4 }),
  );
}

// Rows under a heading for each dimension. `cells(row)` gives the cells after the name; `kind(row)` the row's class.
function sliceTable(container, slices, heads, cells, kind) {
  if (!slices.length) return;
  const groups = grouped(slices);
  const titles = heads.map((text, index) => make("th", { scope: "col", class: index ? null : "name" }, text));
  const head = make("thead", {}, make("tr", {}, ...titles));
  const bodies = [...groups].map(([dimension, rows]) => make(
    "tbody", {},
    make("tr", { class: "group" }, make("th", { scope: "rowgroup", class: "name", colspan: heads.length }, dimension)),
    ...rows.map((row) => make("tr", { class: kind(row) }, ...cells(row))),
  ));
  container.replaceChildren(make("table", {}, head, ...bodies));
}

function grouped(slices) {
  const groups = new Map();
  for (const row of slices) groups.set(row.dimension, [...(groups.get(row.dimension) ?? []), row]);
  return groups;
}
