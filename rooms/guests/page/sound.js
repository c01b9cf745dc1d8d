// What is heard, and the guest's own sound: microphones, how loud it is, and whether it is muted.

import { $, make, set } from "./elements.js";
import { whyNot } from "./devices.js";
import { here, ownPerson } from "./here.js";
import { ask, toast } from "./panels.js";
import { text } from "./words.js";

/** Between two tries to tell the meeting that the guest is muted, in milliseconds. */
const TELL_AGAIN = 1000;

let meter = null;

/** What is heard of the others; some browsers play nothing before a button says so. */
export function hear(stream) {
  $("sound").srcObject = stream;
  if (stream) play();
  else $("unblock").hidden = true;
}

export function play() {
  $("sound").play().then(() => { $("unblock").hidden = true; }, (error) => {
    // Of a stream that was replaced meanwhile there is nothing to say.
    if (error.name === "NotAllowedError") $("unblock").hidden = false;
  });
}

/** Which there are; they have names once one was allowed. */
export async function listMicrophones() {
  if (!navigator.mediaDevices) return;
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  const list = $("microphones");
  const before = list.value;
  const found = devices.filter((device) => device.kind === "audioinput" && device.deviceId !== "default");
  list.replaceChildren(list.options[0], ...found.filter((device) => device.deviceId).map((device, at) => {
    const option = make("option", "", device.label || `${text("microphone")} ${at + 1}`);
    option.value = device.deviceId;
    return option;
  }));
  if ([...list.options].some((option) => option.value === before)) list.value = before;
}

/** Shows how loud the microphone is. */
export function watch(stream) {
  endWatch();
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let running = true;
  const look = () => {
    if (!running) return;
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const decibels = 10 * Math.log10(power + 1e-10);
    const level = Math.max(0, Math.min(1, (decibels + 60) / 50));
    $("self-level").parentElement.dataset.level = String(Math.round(level * 10));
    const own = document.querySelector("[data-own] .face");
    if (own) own.classList.toggle("speaks", !here.muted && level > 0.35);
    requestAnimationFrame(look);
  };
  look();
  meter = { close: () => { running = false; context.close(); } };
}

/** Nothing is recorded any more. */
export function endWatch() {
  if (meter) meter.close();
  meter = null;
  $("self-level").parentElement.dataset.level = "0";
}

export function showMuted() {
  const listens = !here.devices.microphone.stream;
  const word = listens ? "no-mic" : here.muted ? "unmute" : "mute";
  set($("mic"), here.muted, here.muted ? "mic-off" : "mic", word);
}

/** Takes it from the meeting; while a wish of the guest's own is not answered, that holds. */
export function takeMuted(on, isNew) {
  if (here.muting === 0 && on !== here.muted) {
    if (on && isNew) toast(text("you-are-muted"));
    here.muted = on;
    here.devices.mute(on);
  }
  showMuted();
}

/**
 * The meeting does not know yet that the guest is muted, who was so before its connection was lost, while it waited, or
 * for want of a microphone. It stays so until that is known.
 */
export async function tellMuted() {
  const mine = here.meeting;
  here.muting += 1;
  while (here.meeting === mine && here.muted && await mine.ask("mute", { on: true })) {
    await new Promise((go) => setTimeout(go, TELL_AGAIN));
  }
  if (here.meeting === mine) here.muting -= 1;
}

/** The button; silence does not wait for the meeting. */
export async function toggleMute() {
  const microphone = here.devices.microphone;
  let muted = !here.muted;
  // Of one that is still opened what was wished for last holds: it may open muted, and not be heard before it is there.
  if (!microphone.stream && microphone.wanted) muted = true;
  else if (!microphone.stream) {
    if (!(await findMicrophone())) return;
    muted = false;
  }
  if (muted === here.muted) return;
  here.muted = muted;
  here.devices.mute(here.muted);
  showMuted();
  // Who is not in the meeting tells it later.
  if (!here.state) return;
  const mine = here.meeting;
  here.muting += 1;
  const why = await ask("mute", { on: here.muted });
  if (here.meeting !== mine) return;
  here.muting -= 1;
  const own = ownPerson();
  if (why && here.muted) tellMuted();
  else if (why && own) takeMuted(own.muted, false);
}

/** Who only listened wants to be heard; whether there is a microphone now. */
function findMicrophone() {
  here.muted = true;
  return replace("default");
}

/** The microphone is gone: another one takes its place, else the guest only listens. */
export async function replaceMicrophone() {
  if (await replace("default", true)) {
    toast(text("other-microphone"));
    return;
  }
  endWatch();
  here.muted = true;
  showMuted();
  toast(text("microphone-gone"));
  if (here.state) tellMuted();
}

async function replace(id, isQuiet) {
  let stream = null;
  try {
    stream = await here.devices.openMicrophone(id);
  } catch (error) {
    if (!isQuiet) toast(text(`microphone-${whyNot(error)}`));
  }
  if (!stream) {
    if (here.guest) await here.guest.sendSound();
    return false;
  }
  here.devices.mute(here.muted);
  showMuted();
  watch(stream);
  listMicrophones();
  if (here.guest) await here.guest.sendSound();
  return true;
}
