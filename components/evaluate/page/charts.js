// The charts that are looked at, not worked with: IoU, calibration, training, classes of the data.
"use strict";

const upright = (x, top, text, color, dash) => ({
  type: "scatter", mode: "lines", x: [x, x], y: [0, top], line: { color, dash, width: 2 },
  name: `${text} ${x.toFixed(3)}`, hoverinfo: "name",
});
const edge = (colours) => ({ color: colours.paper, width: 1 });

chart(byId("iou-chart"), (colours) => {
  const { edges, photos } = page.iou;
  const top = Math.max(...photos);
  const ranges = photos.map((count, index) => (
    `IoU ${edges[index].toFixed(3)}–${edges[index + 1].toFixed(3)}<br>${counted(count, "photo")}`
  ));
  return {
    data: [
      {
        type: "bar", x: photos.map((_, index) => (edges[index] + edges[index + 1]) / 2), y: photos,
        width: photos.map((_, index) => edges[index + 1] - edges[index]), marker: { color: colours.true, line: edge(colours) },
        hovertext: ranges, hoverinfo: "text", showlegend: false,
      },
      upright(page.metrics.mean_iou, top, "mean", colours.ink, "solid"),
      upright(page.metrics.median_iou, top, "median", colours.ink, "dot"),
      upright(page.metrics.mean_box_iou_baseline, top, "always the mean box", colours.predicted, "dash"),
    ],
    layout: { xaxis: axis(colours, "IoU", { range: [0, 1] }), yaxis: axis(colours, "photos") },
  };
});

chart(byId("calibration-chart"), (colours) => {
  const bins = page.calibration.filter((bin) => bin.photos);
  const text = bins.map((bin) => (
    `confidence ${percent(bin.confidence)}<br>right ${percent(bin.accuracy)}<br>${counted(bin.photos, "photo")}`
  ));
  return {
    data: [
      {
        type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], name: "as sure as right", hoverinfo: "skip",
        line: { color: colours.quiet, dash: "dash", width: 1.5 },
      },
      {
        type: "scatter", mode: "lines+markers", x: bins.map((bin) => bin.confidence), y: bins.map((bin) => bin.accuracy),
        name: `the model, ECE ${page.metrics.ece.toFixed(3)}`, line: { color: colours.true, width: 2.5 }, marker: { size: 8 },
        hovertext: text, hoverinfo: "text",
      },
      {
        type: "bar", x: bins.map((bin) => (bin.low + bin.high) / 2), y: bins.map((bin) => bin.photos),
        width: bins.map((bin) => bin.high - bin.low), marker: { color: colours.quiet, opacity: 0.5, line: edge(colours) },
        yaxis: "y2", showlegend: false, hovertext: bins.map((bin) => counted(bin.photos, "photo")), hoverinfo: "text",
      },
    ],
    layout: {
      xaxis: axis(colours, "confidence", { range: [0, 1], anchor: "y2" }),
      yaxis: axis(colours, "right", { range: [0, 1.02], domain: [0.3, 1] }),
      yaxis2: axis(colours, "photos", { domain: [0, 0.22], nticks: 3 }),
    },
  };
});

// One chart for each kind of column, the columns of a kind in one colour each: validation solid, training dotted.
const trainingCharts = [["loss", /loss$/], ["share of right answers", /top[15]$/], ["IoU", /iou$/]];
for (const [title, wanted] of page.history ? trainingCharts : []) {
  const known = Object.keys(page.history).filter((column) => page.history[column].some((value) => value !== null));
  const columns = known.filter((column) => wanted.test(column));
  if (!columns.length) continue;
  const element = make("div", { class: "chart", role: "img", "aria-label": `Training curves: ${title} by epoch` });
  byId("history").append(element);
  const bases = [...new Set(columns.map((column) => column.replace(/^val_/, "")))];
  chart(element, (colours) => ({
    data: columns.map((column) => ({
      type: "scatter", mode: "lines", x: page.history.epoch, y: page.history[column], name: plain(column.replaceAll("_", " ")),
      line: {
        color: [colours.accent, colours.predicted, colours.good, colours.third][bases.indexOf(column.replace(/^val_/, "")) % 4],
        dash: column.startsWith("val_") ? "solid" : "dot", width: 2,
      },
    })),
    layout: {
      xaxis: axis(colours, "epoch"), yaxis: axis(colours, title, { rangemode: title === "loss" ? "tozero" : "normal" }),
      hovermode: "x unified",
    },
  }));
}

chart(byId("data-chart"), (colours) => {
  const order = page.classes.map((_, id) => id).sort((a, b) => page.data.train[b] - page.data.train[a]);
  const split = (key, color) => ({
    type: "scatter", mode: "lines", line: { shape: "hvh", color, width: 2 }, name: key, y: order.map((id) => page.data[key][id]),
    hovertext: order.map((id) => `${plain(page.classes[id])}<br>${key}: ${counted(page.data[key][id], "photo")}`),
    hoverinfo: "text",
  });
  return {
    data: [split("train", colours.accent), split("validation", colours.third), split("test", colours.predicted)],
    layout: {
      xaxis: axis(colours, "classes, largest first", { showticklabels: false }),
      yaxis: axis(colours, "photos", { rangemode: "tozero" }),
    },
  };
});
