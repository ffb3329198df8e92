// Scores per class: sorted by any column, filtered by name, precision and recall; the photos of the chosen class.
"use strict";

const classFilter = { text: "", precision: 1, recall: 1 };
const classRows = page.per_class.map((row, id) => ({ ...row, id }));
const classWall = photoWall(byId("class-photos"), reportFigure, 12);
const classTable = sortableTable(byId("class-table"), [
  { key: "class", label: "class", name: true },
  { key: "support", label: "photos" },
  { key: "precision", label: "precision", title: "of the photos given this class, the share that are of it", write: fixed(2) },
  { key: "recall", label: "recall", title: "of this class's photos, the share that were recognised", write: fixed(2) },
  { key: "f1", label: "F1", title: "harmonic mean of precision and recall", cell: (row) => meter(row.f1) },
  { key: "mean_iou", label: "mean IoU", title: "overlap of true and predicted box", write: fixed(2) },
], { by: "f1", pick: showClass });

function filterClasses(change) {
  Object.assign(classFilter, change);
  const shown = classRows.filter((row) => row.class.toLowerCase().includes(classFilter.text)
    && (row.precision ?? 0) <= classFilter.precision && (row.recall ?? 0) <= classFilter.recall);
  classTable.show(shown);
  byId("class-count").textContent = `${shown.length} of ${counted(classRows.length, "class", "classes")}; click one for its photos`;
}

// Its own photos that went wrong come first, then photos of other classes that were taken for it, then those that were recognised.
function showClass(row) {
  const rank = (photo) => (photo.true === photo.predicted ? 2 : photo.true === row.id ? 0 : 1);
  const photos = page.photos.filter((photo) => photo.true === row.id || photo.predicted === row.id);
  byId("class-title").textContent = `${row.class}: mistakes, what was taken for it, what was recognised`;
  classWall.show(photos.sort((a, b) => rank(a) - rank(b) || b.score - a.score), "None of its photos are in this page.");
  byId("class-choice").scrollIntoView({ block: "nearest" });
}

byId("class-filters").append(
  textFilter("Name", (text) => filterClasses({ text })),
  slider("Precision at most", 1, (precision) => filterClasses({ precision })),
  slider("Recall at most", 1, (recall) => filterClasses({ recall })),
);
classWall.show([], "Click a class for its photos.");
filterClasses({});
