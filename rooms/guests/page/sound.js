// The guest's own sound: microphones, how loud it is, and whether it is muted.

import { $, make, set } from "./elements.js";
import { here, ownPerson } from "./here.js";
import { ask, toast } from "./panels.js";
import { text } from "./words.js";

let meter = null;

/** Which there are; they have names once one was allowed. */
export async function listMicrophones() {
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
}

function showMuted() {
  set($("mic"), here.muted, here.muted ? "mic-off" : "mic", here.muted ? "unmute" : "mute");
}

/** Takes it from the meeting; while a wish of the guest's own is not answered, that holds. */
export function takeMuted(on, isNew) {
  if (here.muting === 0 && on !== here.muted) {
    if (on && isNew) toast(text("you-are-muted"));
    here.muted = on;
    here.guest.mute(on);
  }
  showMuted();
}

/** The button; silence does not wait for the meeting. */
export async function toggleMute() {
  here.muted = !here.muted;
  here.guest.mute(here.muted);
  showMuted();
  here.muting += 1;
  const why = await ask("mute", { on: here.muted });
  here.muting -= 1;
  const own = ownPerson();
  if (why && own) takeMuted(own.muted, false);
}

/** The guest changes its microphone. */
export async function changeMicrophone() {
  const id = $("microphones").value;
  if (here.meeting && id !== "default") watch(await here.guest.useMicrophone(id));
}
