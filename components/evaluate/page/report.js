// The report's slices, its photo wall and its heat maps.
"use strict";

const { top1, mean_iou: meanIou } = page.metrics;
const lowestIou = Math.min(0.9, ...page.slices.map((row) => row.mean_iou_low));
const scales = { top1: [0, 1], mean_iou: [Math.floor(10 * lowestIou) / 10, 1] };
sliceTable(byId("slice-table"), page.slices, ["slice", "photos", "top-1", "interval", "mean IoU", "interval"], (row) => [
  make("td", { class: "name" }, row.value, ...(row.weak ? [make("span", { class: "badge" }, "weak")] : [])),
  make("td", {}, row.photos.toLocaleString("en")),
  make("td", {}, percent(row.top1)), make("td", { class: "mark" }, sliceMark(row, "top1", top1)),
  make("td", {}, row.mean_iou.toFixed(3)), make("td", { class: "mark" }, sliceMark(row, "mean_iou", meanIou)),
], (row) => (row.weak ? "weak" : null));

function sliceMark(row, figure, reference) {
  const [low, high] = [row[`${figure}_low`], row[`${figure}_high`]];
  const words = `95% interval ${low.toFixed(3)} to ${high.toFixed(3)}`;
  const kind = row.weak && high < reference ? "worse" : "";
  return intervalMark({ low, value: row[figure], high }, scales[figure], reference, kind, words);
}

const isRight = (photo) => photo.true === photo.predicted;
// Most telling first: the surest mistakes, the least sure successes, the worst boxes.
const walls = {
  wrong: { name: "wrong answers, surest first", keep: (photo) => !isRight(photo), order: (a, b) => b.score - a.score },
  right: { name: "right answers, least sure first", keep: isRight, order: (a, b) => a.score - b.score },
  boxes: { name: "all, worst boxes first", keep: () => true, order: (a, b) => a.iou - b.iou },
};
const wallFilter = { kind: page.photos.every(isRight) ? "right" : "wrong", id: "" };
const wall = photoWall(byId("wall"), reportFigure, 24);

function showWall(change) {
  Object.assign(wallFilter, change);
  const { keep, order } = walls[wallFilter.kind];
  const ofClass = (photo) => wallFilter.id === "" || photo.true === Number(wallFilter.id);
  wall.show(page.photos.filter((photo) => keep(photo) && ofClass(photo)).sort(order), "No such photos.");
}

const kindSelect = select("Show", Object.entries(walls).map(([key, { name: text }]) => [key, text]), (kind) => showWall({ kind }));
kindSelect.box.value = wallFilter.kind;
byId("wall-filters").append(kindSelect.element, select("of", classOptions(), (id) => showWall({ id })).element);
showWall({});

if (page.heat.length) {
  const heatFigure = (item) => {
    const words = `Photo, class heat map and box heat map of ${item.file}`;
    const strip = make("img", { src: `data:image/jpeg;base64,${item.picture}`, alt: words });
    const said = answerLine(item.true, item.predicted, item.score);
    const caption = [make("strong", {}, item.true), said, make("span", { class: "quiet" }, item.file)];
    return make("figure", {}, strip, make("figcaption", {}, ...caption));
  };
  photoWall(byId("heat-wall"), heatFigure, 6).show(page.heat);
}
