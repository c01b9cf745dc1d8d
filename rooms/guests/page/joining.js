// Joining, leaving, and coming back when the connection is lost.

import { keepAwake, letSleep } from "./awake.js";
import { Guest } from "./call.js";
import { emptyChat, showText } from "./chat.js";
import { Devices, whyNot } from "./devices.js";
import { $ } from "./elements.js";
import { here } from "./here.js";
import { Meeting } from "./meeting.js";
import { notice, open, toast } from "./panels.js";
import { showLevels } from "./people.js";
import { endTrial, loseCamera, showCamera, showPicture, tryCamera } from "./pictures.js";
import { show, showNobody } from "./room.js";
import { endSharing, showShare } from "./sharing.js";
import { endWatch, hear, listMicrophones, replaceMicrophone, showMuted, watch } from "./sound.js";
import { kept, spoken, text } from "./words.js";

/** For how long a guest whose connection is lost tries to come back, and how it waits in between, in milliseconds. */
const COME_BACK = 180_000;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 10_000;
/** Of many who lost it together not all come back at once. */
const SPREAD = 1000;
/** A meeting that is gone asks for another's number. */
const ASKED_ANEW = 5000;

/** A node that stops, a relay or a session that is lost (RFC 3326): nobody has ended the guest's part. */
const LOST_REASONS = /cause=(503|41)\b|text="(Session expired|Peer does not answer)"/;
/** Neither sound nor pictures have come through for so long that the room has given the guest up. */
const NO_MEDIA = /cause=408\b.*text="No media"/;
const LOST_STATUSES = [0, 408, 480, 500, 502, 503, 504];

let leaving = false;

/**
 * Since when it tries to come back, how long it waits next, what it waits by, and whether it is in: it has not come
 * back before sound and pictures come through.
 */
let returning = null;

function fresh() {
  const mine = new Guest(here.devices, {
    state: (word) => here.guest === mine && takeState(word),
    sound: (stream) => here.guest === mine && hear(stream),
    picture: (content, stream) => here.guest === mine && showPicture(content, stream),
    ended: (why) => here.guest === mine && ended(why),
  });
  return mine;
}

function takeState(word) {
  const silent = word === "no-media";
  if (word === "media" && returning && returning.isIn) returning = null;
  if ((!silent && word !== "media") || silent === here.silent) return;
  here.silent = silent;
  if (here.state) show(here.state);
  else notice(silent ? word : here.stage);
}

/** The form's buttons; `listens` where the guest joins without a microphone. */
export async function join(listens) {
  const wishes = {
    id: $("id").value.replace(/[^0-9]/g, ""), passcode: $("passcode").value.trim(), name: $("name").value.trim(),
  };
  kept("name", wishes.name);
  leaving = false;
  busy(true);
  endTrial();
  here.wishes = wishes;
  here.devices = new Devices({ gone: (name) => deviceGone(name) });
  here.muted = listens;
  $("join-message").textContent = text("joining");
  if (await openDevices(listens)) await call();
  else {
    busy(false);
    tryCamera();
  }
}

function busy(on) {
  for (const id of ["join-button", "listen-button"]) $(id).disabled = on;
}

/** Whether the guest can join with what there is. */
async function openDevices(listens) {
  const microphone = listens ? null : await here.devices.openMicrophone($("microphones").value).catch((error) => error);
  if (microphone instanceof Error) {
    $("join-message").textContent = text(`microphone-${whyNot(microphone)}`);
    $("listen-button").hidden = false;
    return false;
  }
  if (microphone) {
    watch(microphone);
    listMicrophones();
  }
  if ($("with-camera").checked) {
    // Without a picture one is heard all the same.
    await here.devices.openCamera().catch((error) => toast(text(`camera-${whyNot(error)}`)));
  }
  return true;
}

/** Calls, and shows the meeting. What ends the call is told to `ended`. */
async function call() {
  const { id, passcode, name } = here.wishes;
  const mine = fresh();
  here.guest = mine;
  try {
    // Not before: whoever is quick with the button would call nobody.
    const { host, grid } = await (await fetch("config.json")).json();
    here.composes = Boolean(grid);
    await mine.join(host, name, [id, passcode], spoken(), returning && returning.before);
  } catch (error) {
    // What has ended the call has said so, but where it never began.
    mine.end({ status: 0, reason: "", never: true });
  }
  if (!mine.over) enter(mine);
}

function enter(mine) {
  const isBack = returning !== null;
  mine.wasIn = true;
  if (isBack) returning.isIn = true;
  if (mine.wasConnected) returning = null;
  // Somebody may have wished for one while joining.
  endTrial();
  $("join").hidden = true;
  for (const id of ["room", "controls"]) $(id).hidden = false;
  $("join-message").textContent = "";
  $("listen-button").hidden = true;
  inTouch(true);
  notice("");
  here.muting = 0;
  here.silent = false;
  here.devices.mute(here.muted);
  showMuted();
  showCamera();
  keepAwake();
  openChannel(mine, isBack);
  if (isBack) toast(text("back"));
  else $("mic").focus();
  if (here.devices.camera.stream && !mine.hasPictures) loseCamera("no-pictures");
  // It was pulled out while there was no call.
  if (!here.muted && !here.devices.microphone.wanted) replaceMicrophone();
}

function openChannel(mine, isBack) {
  here.stage = "";
  here.meeting = new Meeting(mine.key, {
    stage: (word) => {
      if (word === "no-call") return;
      here.stage = word;
      if (word === "farewell") mine.isDismissed = true;
      showNobody();
      notice(word);
      if (word !== "welcome") return;
      if (!isBack) open("keypad", true);
      // The meeting that it comes back to is over: who is asked for a number there is asked as a stranger is.
      else setTimeout(() => here.stage === "welcome" && mine.leave(), ASKED_ANEW);
    },
    meeting: (now) => {
      here.stage = "";
      show(now);
    },
    levels: (levels, speaker) => showLevels(levels, speaker),
    chat: (message) => showText(message),
  });
}

/** While it is not, only what is the page's own can be done. */
function inTouch(on) {
  $("room").classList.toggle("lost", !on);
  for (const button of $("controls").querySelectorAll("button")) {
    button.disabled = !on && !["mic", "camera", "leave", "show-people", "show-chat"].includes(button.id);
  }
}

function deviceGone(name) {
  if (!here.guest || here.guest.over) return;
  if (name === "microphone") replaceMicrophone();
  else if (name === "camera") loseCamera("camera-gone");
  else endSharing();
}

function ended(why) {
  if (here.meeting) here.meeting.close();
  here.meeting = here.state = null;
  endSharing();
  for (const content of ["main", "slides"]) showPicture(content, null);
  hear(null);
  showLevels({}, null);
  const wasIn = !$("room").hidden;
  if (wasIn && !leaving && mayReturn(why)) comeBack();
  else stop(why);
}

function mayReturn(why) {
  // Who hears a last word was sent away, whatever cuts that short.
  if (why.byUs || here.guest.isDismissed) return false;
  // Where nothing has ever come through it would be given up again.
  if (NO_MEDIA.test(why.reason) && !here.guest.wasConnected) return false;
  if (returning && performance.now() - returning.since > COME_BACK) return false;
  return LOST_STATUSES.includes(why.status) || LOST_REASONS.test(why.reason) || NO_MEDIA.test(why.reason);
}

/** The connection is lost: the guest's devices and wishes stay, and it joins again. */
function comeBack() {
  returning = returning || { since: performance.now(), pause: FIRST_PAUSE };
  returning.isIn = false;
  if (here.guest.wasIn) returning.before = here.guest.key;
  notice("joining-again");
  inTouch(false);
  returning.timer = setTimeout(call, returning.pause + Math.random() * SPREAD);
  returning.pause = Math.min(2 * returning.pause, LONGEST_PAUSE);
}

/** The network is there again, or another one; the page may have slept. */
export function lookAround() {
  if (!returning || returning.isIn) {
    if (here.guest) here.guest.probe();
    return;
  }
  if (here.guest && !here.guest.over) return;
  clearTimeout(returning.timer);
  returning.pause = FIRST_PAUSE;
  call();
}

/** The button, or the page goes. */
export function leave() {
  leaving = true;
  if (returning) clearTimeout(returning.timer);
  if (here.guest && !here.guest.over) here.guest.leave();
  else if (returning) stop({ status: 200, reason: "" });
}

/** It is over: the form again, with what there is to say. */
function stop(why) {
  returning = null;
  letSleep();
  if (here.devices) here.devices.close();
  endWatch();
  showShare(null);
  notice("");
  for (const id of ["room", "controls", "keypad", "menu", "side", "pictures"]) $(id).hidden = true;
  for (const id of ["ask", "help"]) $(id).close();
  $("join").hidden = false;
  busy(false);
  $("meeting-name").textContent = document.title = text("title");
  for (const badge of ["badge-locked", "badge-recording"]) $(badge).hidden = true;
  showNobody();
  emptyChat();
  endTrial();
  $("join-message").textContent = words(why);
}

function words(why) {
  if (leaving) return text("left");
  if (why.never) return text("unreachable");
  if (here.guest && here.guest.isDismissed) return text("ended");
  if (NO_MEDIA.test(why.reason)) return text("no-media");
  if (why.status === 0 || LOST_REASONS.test(why.reason)) return text("lost");
  if (why.status === 503) return text("busy");
  if (why.status === 410) return text("ended");
  if (why.status >= 300) return text("refused", { why: `${why.status} ${why.reason}` });
  return text("ended");
}
