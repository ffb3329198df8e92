// Plotly charts: drawn when they come near the screen, drawn again when the colours of the system change.
"use strict";

const charts = new Map();
const nearby = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((each) => each.isIntersecting)) {
    nearby.unobserve(entry.target);
    drawChart(entry.target);
  }
}, { rootMargin: "400px" });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const element of charts.keys()) if (element.dataset.drawn) drawChart(element);
});

addEventListener("beforeprint", () => {
  for (const element of charts.keys()) drawChart(element);
});

// `figure(colours, element)` gives Plotly's `data`, and `layout` and `config` over the common ones; `ready` runs once, when drawn.
function chart(element, figure, ready = () => {}) {
  charts.set(element, { figure, ready });
  nearby.observe(element);
}

async function drawChart(element) {
  const { figure, ready } = charts.get(element);
  const colours = currentColours();
  const { data, layout = {}, config = {} } = figure(colours, element);
  const behaviour = { displayModeBar: false, displaylogo: false, responsive: true, ...config };
  await Plotly.react(element, data, { ...commonLayout(colours), ...layout }, behaviour);
  if (!element.dataset.drawn) ready();
  element.dataset.drawn = "yes";
}

function currentColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["paper", "ink", "quiet", "line", "accent", "good", "true", "predicted", "third", "right-low", "mistaken-low"];
  return Object.fromEntries(names.map((each) => [each, style.getPropertyValue(`--${each}`).trim()]));
}

function commonLayout(colours) {
  const family = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, margin: { l: 48, r: 12, t: 8, b: 44 },
    font: { family, size: 13, color: colours.quiet },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    hoverlabel: { bgcolor: colours.paper, bordercolor: colours.line, font: { family, color: colours.ink }, namelength: -1 },
  };
}

function axis(colours, title, more = {}) {
  return { title: { text: title }, gridcolor: colours.line, zerolinecolor: colours.line, ...more };
}

// A name for Plotly, which reads tags and entities in its labels; too long a name is cut.
function plain(text, most = 80) {
  const cut = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return cut.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
