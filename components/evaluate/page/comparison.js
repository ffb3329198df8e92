// What one model gets right that the other does not: figures, photos, classes and slices of two models.
"use strict";

const [nameA, nameB] = page.names;
const difference = (a, b) => (a === null || b === null ? null : b - a);

const marks = [...document.querySelectorAll("[data-difference]")];
const drawn = marks.map((element) => [element, page.differences[element.dataset.difference]]);
const widest = Math.max(0.01, ...drawn.flatMap(([, { low, high }]) => [-low, high]));
for (const [element, row] of drawn) element.append(differenceMark(row, widest, "lowerIsBetter" in element.dataset));

function differenceMark(row, reach, reversed = false) {
  const clear = row.low > 0 || row.high < 0;
  const kind = !clear ? "" : (row.low > 0) !== reversed ? "better" : "worse";
  const words = `95% interval ${signed(row.low, 3)} to ${signed(row.high, 3)}`;
  return intervalMark({ low: row.low, value: row.difference, high: row.high }, [-reach, reach], 0, kind, words);
}

const isRight = (photo, model) => photo[`predicted_${model}`] === photo.true;
const groups = {
  only_b: { name: `only ${nameB} is right`, keep: (photo) => !isRight(photo, "a") && isRight(photo, "b") },
  only_a: { name: `only ${nameA} is right`, keep: (photo) => isRight(photo, "a") && !isRight(photo, "b") },
  neither: { name: "both are wrong", keep: (photo) => !isRight(photo, "a") && !isRight(photo, "b") },
  both: { name: "both are right", keep: (photo) => isRight(photo, "a") && isRight(photo, "b") },
};
const filter = { group: "only_b", id: "" };
const wall = photoWall(byId("wall"), comparisonFigure, 24);

function comparisonFigure(photo) {
  const line = (model, title) => {
    const answer = isRight(photo, model) ? "right" : page.classes[photo[`predicted_${model}`]];
    const said = `${title}: ${answer}, ${percent(photo[`score_${model}`], 0)}`;
    return make("span", { class: isRight(photo, model) ? "right" : "wrong" }, make("span", { class: `swatch ${model}` }), said);
  };
  const overlap = `IoU ${photo.iou_a.toFixed(2)} and ${photo.iou_b.toFixed(2)}`;
  return photoFigure(
    photo, `${page.classes[photo.true]}; ${overlap}`, [["true", photo.true_box], ["a", photo.box_a], ["b", photo.box_b]],
    [
      make("strong", {}, page.classes[photo.true]), line("a", nameA), line("b", nameB),
      make("span", { class: "quiet" }, `${overlap} · ${photo.file}`),
    ],
  );
}

function showWall(change) {
  Object.assign(filter, change);
  for (const button of byId("groups").children) button.setAttribute("aria-pressed", String(button.value === filter.group));
  const ofClass = (photo) => filter.id === "" || photo.true === Number(filter.id);
  wall.show(page.photos.filter((photo) => groups[filter.group].keep(photo) && ofClass(photo)), "No such photos in this page.");
}

byId("groups").append(...Object.entries(groups).map(([key, group]) => make(
  "button", { type: "button", value: key, click: () => showWall({ group: key }) },
  make("span", { class: "value" }, page.counts[key].toLocaleString("en")), group.name,
)));
byId("wall-filters").append(select("Photos of", classOptions(), (id) => showWall({ id })).element);
showWall({});

const rows = page.per_class.map((row, id) => ({
  ...row, id, recall_difference: difference(row.recall_a, row.recall_b), iou_difference: difference(row.iou_a, row.iou_b),
}));
const classFilter = { text: "", least: 0 };
const classWall = photoWall(byId("class-photos"), comparisonFigure, 12);
const kindOf = (value) => (value > 0 ? "right" : value < 0 ? "wrong" : "quiet");
const coloured = (key) => (row) => make("span", { class: kindOf(row[key]) }, signed(row[key]));
const table = sortableTable(byId("class-table"), [
  { key: "class", label: "class", name: true }, { key: "support", label: "photos" },
  { key: "recall_a", label: `recall, ${nameA}`, write: fixed(2) }, { key: "recall_b", label: `recall, ${nameB}`, write: fixed(2) },
  { key: "recall_difference", label: "difference", cell: coloured("recall_difference") },
  { key: "iou_a", label: `mean IoU, ${nameA}`, write: fixed(2) }, { key: "iou_b", label: `mean IoU, ${nameB}`, write: fixed(2) },
  { key: "iou_difference", label: "difference in IoU", cell: coloured("iou_difference") },
], { by: "recall_difference", pick: showClass });

function filterClasses(change) {
  Object.assign(classFilter, change);
  const shown = rows.filter((row) => row.class.toLowerCase().includes(classFilter.text)
    && Math.abs(row.recall_difference ?? 0) >= classFilter.least);
  table.show(shown);
  byId("class-count").textContent = `${shown.length} of ${counted(rows.length, "class", "classes")}; click one for its photos`;
}

function showClass(row) {
  byId("class-title").textContent = row.class;
  classWall.show(page.photos.filter((photo) => photo.true === row.id), "None of its photos are in this page.");
  byId("class-choice").scrollIntoView({ block: "nearest" });
}

byId("class-filters").append(
  textFilter("Name", (text) => filterClasses({ text })),
  slider("Recall differs by at least", 0, (least) => filterClasses({ least })),
);
classWall.show([], "Click a class for its photos.");
filterClasses({});

const reach = Math.max(0.01, ...page.slices.flatMap((row) => [-row.low, row.high]));
sliceTable(byId("slice-table"), page.slices, ["slice", "photos", "difference", "95% interval", "drawn"], (row) => [
  make("td", { class: "name" }, row.value), make("td", {}, row.photos.toLocaleString("en")),
  make("td", {}, `${signed(100 * row.difference, 1)} pp`),
  make("td", {}, `${signed(100 * row.low, 1)} to ${signed(100 * row.high, 1)}`),
  make("td", { class: "mark" }, differenceMark(row, reach)),
], () => null);
