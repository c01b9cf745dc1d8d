// The language of the page, and what it keeps of its user.

import { TEXTS } from "./texts.js";

let language = "en";

/** The one that is spoken. */
export function spoken() {
  return language;
}

/** Has the page in a language, where it is known. */
export function speak(wished) {
  language = TEXTS[wished] ? wished : "en";
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
    if (element.tagName === "BUTTON") element.title = text(element.dataset.label);
  }
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.placeholder = text(element.dataset.placeholder);
  }
}

/** A text by its key, with what stands in braces there. */
export function text(key, values = {}) {
  const found = TEXTS[language][key] || TEXTS.en[key] || key;
  return found.replace(/\{(\w+)\}/g, (_, name) => values[name] || "");
}

/** Keeps a value for the next visit, or gives what was kept. */
export function kept(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(name) || "";
    localStorage.setItem(name, value);
  } catch (error) {
    // A browser that keeps nothing is fine.
  }
  return "";
}
