// Sharing a screen: the floor of the meeting, and the screen that is chosen for it.

import { $, set } from "./elements.js";
import { here, ownPerson } from "./here.js";
import { ask, notice, toast } from "./panels.js";
import { text } from "./words.js";

/** For how long news of the floor is waited for: a browser lets a screen be chosen within 5 s of a click. */
const FLOOR_LIMIT = 3000;

/** Who waits to hear of the floor. */
let floorTold = null;

/** What the button says. */
export function showShare(own) {
  const asks = Boolean(own && own.asks) && !here.sharing;
  set($("share"), here.sharing || asks, "screen", here.sharing ? "sharing" : asks ? "stop-asking" : "share");
}

/** What there is to say of the floor: that it is asked for, or that it is there to be used. */
export function floorNotice(own) {
  if (!own || here.sharing || here.choosing) return "";
  if (own.shows) return "may-share";
  return own.asks ? "asks-moderator" : "";
}

/** What has become of the guest's floor, by what it was before. */
export function takeFloor(own, before) {
  if (floorTold && (own.shows || own.asks)) floorTold(own.shows);
  if (here.sharing && !own.shows) loseFloor();
  const old = before && before.people.find((person) => person.id === own.id);
  if (old && old.asks && !own.asks && !own.shows) toast(text("share-refused"));
  showShare(own);
}

/** The screen is shown no more: by the button, or by the browser's own; the floor is given back. */
export function endSharing() {
  const wasShown = here.sharing;
  here.sharing = false;
  here.devices.screen.close();
  if (!wasShown) return;
  showShare(ownPerson());
  giveBack();
}

/** Somebody else has taken the floor, or a moderator has taken it away: nobody sees the screen any more. */
function loseFloor() {
  toast(text("floor-lost"));
  endSharing();
}

/** The button: asks for the floor, takes that back, begins to share or ends it. */
export async function toggleShare() {
  if (here.sharing) {
    endSharing();
    return;
  }
  if (here.choosing || !here.state) return;
  const own = ownPerson();
  if (own && own.asks) {
    own.asks = false;
    showShare(own);
    ask("show", { on: false });
    return;
  }
  if (!own || !own.shows) {
    const news = nextFloorNews();
    if (await ask("show", { on: true })) return;
    // Where moderators decide it comes later, and the page says so.
    if (!(await news)) return;
  }
  await chooseScreen();
}

/** Whether the meeting gives the floor, or `false` when moderators are asked. */
function nextFloorNews() {
  return new Promise((resolve) => {
    floorTold = resolve;
    setTimeout(() => resolve(false), FLOOR_LIMIT);
  });
}

async function chooseScreen() {
  const mine = here.guest;
  here.choosing = true;
  notice("");
  let isShown = false;
  try {
    // Nothing comes of it where the guest has left over the choice.
    if (await here.devices.openScreen()) isShown = await mine.sendScreen();
    if (!isShown && !mine.over) toast(text("no-screen"));
  } catch (error) {
    // Who changes one's mind is asked nothing more.
    if (error.name !== "NotAllowedError" && !mine.over) toast(text("no-screen"));
  }
  here.choosing = false;
  if (mine.over) return;
  const own = ownPerson();
  here.sharing = isShown && here.devices.screen.wanted;
  showShare(own);
  // The floor may have been lost over the choice.
  if (here.sharing && !(own && own.shows)) loseFloor();
  else if (!here.sharing) giveBack();
}

/** Nothing is shown: the floor is for others. */
function giveBack() {
  here.guest.sendScreen().catch(() => {});
  if (here.meeting) here.meeting.ask("show", { on: false });
}
