// Elements of the page, found and made.

import { text } from "./words.js";

export const $ = (id) => document.getElementById(id);

/** A button with a symbol and a word, on or off. */
export function set(button, on, symbol, key) {
  button.setAttribute("aria-pressed", String(on));
  button.querySelector("use").setAttribute("href", `#i-${symbol}`);
  button.querySelector("span").dataset.text = key;
  button.querySelector("span").textContent = text(key);
}

/** An element with a class, a text and children. */
export function make(name, kind, words, ...children) {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  if (words) element.textContent = words;
  element.append(...children.filter(Boolean));
  return element;
}

/** A drawing of the page; with a label for who does not see it. */
export function symbol(name, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  }
  return svg;
}

/** What stands for somebody without a picture. */
export function initials(name) {
  // Of a telephone the last two digits.
  if (/^\+?[0-9]{3,}$/.test(name.trim())) return name.trim().slice(-2);
  const words = name.trim().split(/\s+/).filter(Boolean);
  if (!words.length) return "?";
  const first = Array.from(words[0])[0];
  const last = words.length > 1 ? Array.from(words[words.length - 1])[0] : "";
  return (first + last).toUpperCase();
}

/** One of eight colours, the same for the same id. */
export function colour(id) {
  let sum = 0;
  for (const c of id) sum = (sum * 31 + c.charCodeAt(0)) % 8;
  return `c${sum}`;
}

/** What somebody is called. */
export function nameOf(person) {
  return person.name || text("nameless");
}
