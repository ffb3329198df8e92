// The page's data, its elements and its numbers. Text from outside enters the page here alone, as text nodes.
"use strict";

const page = JSON.parse(document.getElementById("page-data").textContent);
const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function makeSvg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const percent = (share, digits = 1) => (share === null ? "–" : `${(100 * share).toFixed(digits)}%`);
const fixed = (digits) => (value) => (value === null ? "–" : value.toFixed(digits));
const signed = (value, digits = 2) => (value === null ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`);
const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

// A select whose options are [value, text]; `change` gets the value.
function select(label, options, change) {
  const choices = options.map(([value, text]) => make("option", { value }, text));
  const box = make("select", { change: () => change(box.value) }, ...choices);
  return { element: make("label", {}, `${label} `, box), box };
}

function textFilter(label, change) {
  const input = () => change(box.value.trim().toLowerCase());
  const box = make("input", { type: "search", placeholder: "part of a name", input });
  return make("label", {}, `${label} `, box);
}

// A slider from 0 to 1 that shows its number.
function slider(label, value, change) {
  const number = make("output", {}, value.toFixed(2));
  const box = make("input", {
    type: "range", min: 0, max: 1, step: 0.01, value,
    input: () => { number.textContent = Number(box.value).toFixed(2); change(Number(box.value)); },
  });
  return make("label", {}, `${label} `, box, number);
}

// Classes as options, in the order of their names, after one for all of them.
function classOptions() {
  const ids = page.classes.map((_, id) => id).sort((a, b) => page.classes[a].localeCompare(page.classes[b]));
  return [["", "all classes"], ...ids.map((id) => [id, page.classes[id]])];
}
