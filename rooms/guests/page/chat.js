// Texts to everyone.

import { $, make } from "./elements.js";
import { here } from "./here.js";
import { ask, openSide } from "./panels.js";
import { spoken, text } from "./words.js";

let unread = 0;

/** What is shown: who comes back is told the older ones again. */
const seen = new Set();

/** A text has come. */
export function showText(message) {
  const mark = `${message.at} ${message.number}`;
  if (seen.has(mark)) return;
  seen.add(mark);
  const own = here.state && message.from === here.state.you;
  const time = new Date(message.at).toLocaleTimeString(spoken(), { hour: "2-digit", minute: "2-digit" });
  const entry = make("li", own ? "own" : "", "",
    make("small", "", `${message.name || text("nameless")} · ${time}`), make("p", "", message.text));
  const list = $("texts");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  list.append(entry);
  if (atEnd || own) list.scrollTop = list.scrollHeight;
  if (($("side").hidden || $("chat").hidden) && !own) {
    setUnread(unread + 1);
  }
}

function setUnread(count) {
  unread = count;
  $("unread").textContent = String(count);
  $("unread").hidden = count === 0;
}

/** Opens the texts, or closes them. */
export function openChat() {
  openSide("chat");
  if ($("side").hidden) return;
  setUnread(0);
  $("texts").scrollTop = $("texts").scrollHeight;
  $("text").focus();
}

/** Sends what is typed; it stays where that is refused. */
export async function sendText(event) {
  event.preventDefault();
  const words = $("text").value.trim();
  if (words && !(await ask("say", { text: words }))) $("text").value = "";
}

/** For the next meeting. */
export function emptyChat() {
  seen.clear();
  $("texts").replaceChildren();
  setUnread(0);
}
