// Photos with boxes over them, and walls of them that grow on request.
"use strict";

// `boxes` are [class, [x, y, width, height]] in the pixels of the original, which the picture is stretched to.
function photoFigure(photo, words, boxes, lines) {
  const shapes = boxes.map(([kind, [x, y, width, height]]) => makeSvg("rect", { class: kind, x, y, width, height }));
  const picture = makeSvg("image", {
    width: photo.width, height: photo.height, preserveAspectRatio: "none", href: `data:image/jpeg;base64,${photo.picture}`,
  });
  const frame = { viewBox: `0 0 ${photo.width} ${photo.height}`, role: "img", "aria-label": words };
  const drawing = makeSvg("svg", frame, picture, ...shapes);
  return make("figure", {}, drawing, make("figcaption", {}, ...lines));
}

function reportFigure(photo) {
  const truth = page.classes[photo.true];
  const said = answerLine(truth, page.classes[photo.predicted], photo.score);
  const overlap = `IoU ${photo.iou.toFixed(2)}`;
  return photoFigure(
    photo, `${truth}: ${said.textContent}; ${overlap}`, [["true", photo.true_box], ["predicted", photo.predicted_box]],
    [make("strong", {}, truth), said, make("span", { class: "quiet" }, `${overlap} · ${photo.file}`)],
  );
}

function answerLine(truth, answer, score) {
  const right = truth === answer;
  return make("span", { class: right ? "right" : "wrong" }, `${right ? "recognised" : `answered ${answer}`}, ${percent(score, 0)}`);
}

// A wall in `container`: `show(items, empty)` shows the first `step` of them, with a button for more, or the words `empty`.
function photoWall(container, figure, step) {
  const count = make("p", { class: "quiet", "aria-live": "polite" });
  const grid = make("div", { class: "wall" });
  const more = make("button", { type: "button", class: "more", click: grow }, "Show more");
  container.replaceChildren(count, grid, more);
  let items = [];

  function grow() {
    const shown = grid.childElementCount;
    grid.append(...items.slice(shown, shown + step).map(figure));
    count.textContent = `${grid.childElementCount.toLocaleString("en")} of ${counted(items.length, "photo")}`;
    more.hidden = grid.childElementCount >= items.length;
  }

  return {
    show(wanted, empty = "No photos.") {
      items = wanted;
      grid.replaceChildren();
      grow();
      if (!items.length) count.textContent = empty;
    },
  };
}
