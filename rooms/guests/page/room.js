// What is shown of the meeting, and what a moderator does with it.

import { $, set } from "./elements.js";
import { here, ownPerson } from "./here.js";
import { ask, confirmed, notice, open, question } from "./panels.js";
import { showRoster, showTiles, tellNews } from "./people.js";
import { showLayout, showPicture } from "./pictures.js";
import { floorNotice, takeFloor } from "./sharing.js";
import { takeMuted, tellMuted } from "./sound.js";
import { text } from "./words.js";

/** What the node has told: something new, or the same once more, in another language. */
export function show(now) {
  const before = here.state;
  here.state = now;
  if (!before && here.muted) tellMuted();
  document.title = now.name || text("title");
  $("meeting-name").textContent = now.name || text("title");
  $("badge-locked").hidden = !now.locked;
  $("badge-recording").hidden = !now.recording;
  $("count").textContent = String(now.people.filter((person) => person.in).length);
  showModeration(now);
  showLayout();
  const own = ownPerson();
  // What it said of the microphone before may not be so any more.
  if (own && now !== before) takeOwn(own, before);
  notice((here.silent && "no-media") || floorNotice(own) || (now.people.length === 1 ? "alone" : ""));
  showPicture("slides", $("slides").srcObject);
  if (before) tellNews(before, now);
  showTiles(now);
  showRoster(now);
}

/** The guest is not in the meeting, or not any more. */
export function showNobody() {
  here.state = null;
  for (const list of ["tiles", "roster"]) $(list).replaceChildren();
  for (const badge of ["badge-locked", "badge-recording"]) $(badge).hidden = true;
  for (const id of ["moderate", "menu"]) $(id).hidden = true;
  $("count").textContent = "";
  set($("hand"), false, "hand", "hand");
  showLayout();
}

function showModeration(now) {
  const entry = (name) => $("menu").querySelector(`[data-do=${name}]`);
  $("moderate").hidden = !now.moderator;
  if (!now.moderator) $("menu").hidden = true;
  entry("lock").dataset.text = now.locked ? "unlock" : "lock";
  entry("record").dataset.text = now.recording ? "stop-recording" : "record";
  entry("admit-all").hidden = !now.people.some((person) => !person.in);
  for (const each of $("menu").querySelectorAll("[data-text]")) each.textContent = text(each.dataset.text);
}

function takeOwn(own, before) {
  takeMuted(own.muted, Boolean(before));
  set($("hand"), own.hand, "hand", own.hand ? "lower-hand" : "hand");
  takeFloor(own, before);
}

export function toggleHand() {
  const own = ownPerson();
  if (own) ask("hand", { on: !own.hand });
}

/** What its menu has. */
export async function moderate(what) {
  open("menu", false);
  if (!here.state) return;
  if (what === "unmute-all") ask("mute-all", { on: false });
  else if (what === "lock") ask("lock", { on: !here.state.locked });
  else if (what === "record") ask("record", { on: !here.state.recording });
  else if (what === "dial") {
    const number = await question(text("ask-number"), true);
    if (number) ask("dial", { text: number });
  } else if (what === "end") {
    if (await confirmed(text("confirm-end"))) ask("end");
  } else ask(what);
}

/** As on a telephone. */
export function press(key) {
  $("pressed").textContent = ($("pressed").textContent + key).slice(-16);
  here.guest.press(key);
}
