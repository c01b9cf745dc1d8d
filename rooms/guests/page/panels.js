// What is opened and closed, said and asked: sheets, the side, notices and questions.

import { $ } from "./elements.js";
import { here } from "./here.js";
import { text } from "./words.js";

const TOAST = 5000;

let toastTimer = 0;
let noticed = "";

export function toast(words) {
  $("toast").textContent = words;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, TOAST);
}

export function notice(key) {
  noticed = key;
  $("notice").hidden = !key;
  $("notice").textContent = key ? text(key) : "";
}

/** The notice once more, in another language. */
export function noticeAgain() {
  notice(noticed);
}

/** Asks the meeting for something; gives why not, or an empty text. */
export async function ask(what, more) {
  if (!here.meeting) return "lost";
  const why = await here.meeting.ask(what, more);
  if (why) toast(text(`why-${why}`));
  return why;
}

/** A question, or one with an answer to be typed; `null` for no. */
export function question(words, withAnswer) {
  $("question").textContent = words;
  $("answer").hidden = !withAnswer;
  $("answer").required = Boolean(withAnswer);
  $("answer").value = "";
  $("ask").returnValue = "no";
  $("ask").showModal();
  (withAnswer ? $("answer") : $("yes")).focus();
  return new Promise((resolve) => {
    $("ask").onclose = () => resolve($("ask").returnValue === "yes" ? $("answer").value : null);
  });
}

export async function confirmed(words) {
  return (await question(words, false)) !== null;
}

/** Opens one of the sheets, or closes it, and the other one. */
export function open(id, on) {
  for (const [sheet, button] of [["keypad", "keys"], ["menu", "moderate"]]) {
    const shown = sheet === id && on;
    $(sheet).hidden = !shown;
    $(button).setAttribute("aria-expanded", String(shown));
  }
}

/** Opens the side with a tab; closes it where that is shown already. */
export function openSide(tab) {
  const same = !$("side").hidden && !$(tab).hidden;
  $("side").hidden = same;
  for (const name of ["people", "chat"]) {
    $(name).hidden = name !== tab;
    $(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
    $(`show-${name}`).setAttribute("aria-expanded", String(!$("side").hidden && name === tab));
  }
}

/** Closes the side, if it is open. */
export function closeSide() {
  if (!$("side").hidden) openSide($("people").hidden ? "chat" : "people");
}
