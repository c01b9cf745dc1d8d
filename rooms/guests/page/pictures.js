// What is seen: the others, slides, and the guest's own camera.

import { $, set } from "./elements.js";
import { whyNot } from "./devices.js";
import { here } from "./here.js";
import { ask, toast } from "./panels.js";
import { text } from "./words.js";

/** The camera that is looked at before the meeting. */
let trial = null;

/** How often one was begun or ended: what an earlier one opens later is not wanted any more. */
let trials = 0;

/** The guest's own camera before the meeting. */
export function preview(stream) {
  const video = $("self");
  video.srcObject = stream;
  video.hidden = !stream;
  $("self-face").hidden = Boolean(stream);
}

/** What has come of `main` or `slides`, or nothing. */
export function showPicture(content, stream) {
  const video = content === "slides" ? $("slides") : $("picture");
  if (video.srcObject !== stream) video.srcObject = stream;
  video.hidden = !stream || (video === $("slides") && !othersShow());
  $("pictures").hidden = $("slides").hidden && $("picture").hidden;
  $("room").classList.toggle("with-pictures", !$("pictures").hidden);
}

/** Without slides their line has what the room says of itself, as that of cameras has already. */
function othersShow() {
  return here.state !== null && here.state.people.some((person) => person.shows && person.id !== here.state.you);
}

/** The guest's own camera in the meeting. */
function ownPicture() {
  const video = $("own");
  video.srcObject = here.devices.camera.stream;
  video.hidden = !video.srcObject;
}

/** The button: what it says is what is wished for, also while the browser asks its user. */
export async function toggleCamera() {
  const camera = here.devices.camera;
  if (camera.wanted) {
    camera.close();
    showCamera();
    await here.guest.sendCamera().catch(() => {});
    return;
  }
  const opening = here.devices.openCamera();
  showCamera();
  let stream = null;
  try {
    stream = await opening;
  } catch (error) {
    toast(text(`camera-${whyNot(error)}`));
  }
  // What another press, or the end, has overtaken is closed already.
  if (!stream) {
    showCamera();
    return;
  }
  showCamera();
  const fine = await here.guest.sendCamera().catch(() => true);
  if (!fine && camera.stream === stream) loseCamera("no-pictures");
}

/** The camera is off, and why. */
export function loseCamera(why) {
  here.devices.camera.close();
  toast(text(why));
  showCamera();
  if (here.guest.hasPictures) here.guest.sendCamera().catch(() => {});
}

/** The button, and the picture beside it. */
export function showCamera() {
  const on = here.devices.camera.wanted;
  set($("camera"), on, on ? "camera" : "camera-off", "camera");
  ownPicture();
}

/** The button of who is seen: only where the node composes pictures, and gives them to this browser. */
export function showLayout() {
  $("layout").hidden = !here.state || !here.composes || !here.guest.seesComposed;
  if (here.state) $("layout").setAttribute("aria-pressed", String(here.state.layout === "grid"));
}

/** Everybody at once, or who speaks; it shows what the meeting says. */
export function toggleLayout() {
  if (!$("layout").hidden) ask("layout", { on: here.state.layout !== "grid" });
}

/** Whether somebody wishes for a camera before the meeting: shows what it sees. */
export async function tryCamera() {
  endTrial();
  if (!$("with-camera").checked) return;
  const mine = trials;
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch (error) {
    if (mine !== trials) return;
    $("with-camera").checked = false;
    toast(text(`camera-${whyNot(error)}`));
    return;
  }
  if (mine !== trials) {
    stop(stream);
    return;
  }
  trial = stream;
  preview(trial);
}

function stop(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

/** The meeting opens the camera itself. */
export function endTrial() {
  trials += 1;
  if (trial) stop(trial);
  trial = null;
  preview(null);
}
