// The confusion matrix, the photos of its chosen cell, and the same by a table of pairs.
"use strict";

const counts = page.classes.map(() => new Map());
for (const [truth, answer, photos] of page.confusion) counts[truth].set(answer, photos);
const photosOf = counts.map((row) => [...row.values()].reduce((sum, photos) => sum + photos, 0));

const confusionChart = byId("confusion-chart");
const cellWall = photoWall(byId("cell"), reportFigure, 6);
const ordering = byId("confusion-order");
let cell = null;

// Right answers and mistakes are two layers with a scale each, so that one mistaken photo is seen beside a full diagonal.
function confusionFigure(colours, element) {
  const order = page.orders[ordering.value];
  const keys = order.map(String);
  const few = order.length <= 24;
  const narrow = element.clientWidth < 520;
  const layer = (wanted, low, high) => {
    const value = (give) => order.map((truth) => order.map((answer) => {
      const photos = counts[truth].get(answer);
      return photos && (truth === answer) === wanted ? give(truth, answer, photos) : null;
    }));
    return {
      type: "heatmap", x: keys, y: keys, z: value((truth, _, photos) => photos / photosOf[truth]), zmin: 0, zmax: 1,
      colorscale: [[0, low], [1, high]], showscale: false, xgap: few ? 1 : 0, ygap: few ? 1 : 0,
      hovertext: value(cellText), hoverinfo: "text", hoverongaps: false,
      // an empty cell has no text: Plotly would write null
      ...(few ? { text: value((truth, answer, photos) => photos).map((row) => row.map((each) => each ?? "")), texttemplate: "%{text}" } : {}),
    };
  };
  const labels = Object.fromEntries(keys.map((key) => [key, plain(page.classes[key], 22)]));
  const scale = (side) => ({
    type: "category", labelalias: labels, showticklabels: !narrow, tickfont: { size: few ? 12 : 10 }, ticks: "",
    showgrid: false, zeroline: false, showline: true, mirror: true, linecolor: colours.line, range: side,
  });
  const last = order.length - 0.5;
  return {
    data: [layer(true, colours["right-low"], colours.true), layer(false, colours["mistaken-low"], colours.predicted)],
    layout: {
      dragmode: "zoom", margin: narrow ? { l: 4, r: 4, t: 30, b: 4 } : { l: few ? 175 : 150, r: few ? 90 : 4, t: 30, b: few ? 100 : 140 },
      uirevision: ordering.value,
      xaxis: scale([-0.5, last]), yaxis: scale([last, -0.5]), shapes: cell ? [outline(order, colours)] : [],
      modebar: { bgcolor: colours.paper, color: colours.quiet, activecolor: colours.accent },
    },
    config: {
      displayModeBar: true, showTips: false,
      modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
    },
  };
}

function cellText(truth, answer, photos) {
  const share = `${photos} of ${counted(photosOf[truth], "photo")} (${percent(photos / photosOf[truth], 0)})`;
  return `true: ${plain(page.classes[truth])}<br>answer: ${plain(page.classes[answer])}<br>${share}`;
}

function outline(order, colours) {
  const [x, y] = [order.indexOf(cell[1]), order.indexOf(cell[0])];
  return { type: "rect", x0: x - 0.5, x1: x + 0.5, y0: y - 0.5, y1: y + 0.5, line: { color: colours.ink, width: 2 } };
}

function showCell(truth, answer) {
  cell = [truth, answer];
  const photos = counts[truth].get(answer) ?? 0;
  const here = page.photos.filter((photo) => photo.true === truth && photo.predicted === answer);
  const left = photos > here.length ? `; ${photos - here.length} not in this page` : "";
  const taken = truth === answer ? "recognised" : `taken for ${page.classes[answer]}`;
  byId("cell-title").textContent = `${page.classes[truth]}, ${taken}: ${counted(photos, "photo")}${left}`;
  cellWall.show(here, "None of its photos are in this page.");
  if (confusionChart.dataset.drawn) drawChart(confusionChart);
}

ordering.append(...Object.keys(page.orders).map((order) => make("option", { value: order }, order)));
ordering.addEventListener("change", () => drawChart(confusionChart));
chart(confusionChart, confusionFigure, () => {
  confusionChart.on("plotly_click", ({ points: [point] }) => showCell(Number(point.y), Number(point.x)));
});

if (page.confused.length) {
  const idOf = new Map(page.classes.map((each, id) => [each, id]));
  const pick = (pair) => {
    showCell(idOf.get(pair.true), idOf.get(pair.predicted));
    byId("cell-title").scrollIntoView({ block: "nearest" });
  };
  const pairs = sortableTable(byId("pairs"), [
    { key: "true", label: "true class", name: true }, { key: "predicted", label: "answer", name: true },
    { key: "photos", label: "photos" },
    { key: "share", label: "share", title: "of the true class's photos", write: (share) => percent(share, 0) },
  ], { by: "photos", down: true, pick });
  pairs.show(page.confused);
  showCell(idOf.get(page.confused[0].true), idOf.get(page.confused[0].predicted));
} else {
  byId("cell-title").textContent = "Click a cell for its photos.";
  byId("pairs").replaceChildren(make("p", {}, "None: every photo got its own class."));
}
