// What is seen: the others, slides, and the guest's own camera.

import { $, set } from "./elements.js";
import { here } from "./here.js";
import { toast } from "./panels.js";
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
export function ownPicture() {
  const video = $("own");
  video.srcObject = here.guest && here.guest.camera;
  video.hidden = !video.srcObject;
}

export async function toggleCamera() {
  const on = !here.guest.camera;
  const fine = await here.guest.useCamera(on).catch(() => false);
  if (!here.guest) return;
  if (on && !fine) {
    toast(text("no-pictures"));
    await here.guest.useCamera(false);
  }
  showCamera();
}

/** The button, and the picture beside it. */
export function showCamera() {
  const on = Boolean(here.guest.camera);
  set($("camera"), on, on ? "camera" : "camera-off", "camera");
  ownPicture();
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
    toast(text("no-camera", { why: error.name || String(error) }));
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
