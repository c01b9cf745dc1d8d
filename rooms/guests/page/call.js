// The guest's media: microphone, camera, screen, and what is heard and seen of the others.

import { Call, random } from "./sip.js";

/** How often pictures are looked at, and for how long one may stand still, in milliseconds. */
const LOOK = 1000;
const STILL = 5000;

/** SHA-256 of a text, in hexadecimal digits. */
async function digest(text) {
  const octets = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(octets), (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** Each m= line of a description, with its session part first. */
function sections(sdp) {
  return sdp.split(/^(?=m=)/m);
}

/** Says what the second picture is for (RFC 4796), which browsers do not. */
export function withContent(sdp, mids) {
  return sections(sdp).map((section) => {
    const mid = /^a=mid:(\S+)/m.exec(section);
    const content = mid && mids.get(mid[1]);
    return content ? section.replace(/\r?\n?$/, `\r\na=content:${content}\r\n`) : section;
  }).join("");
}

/** Whether the node has taken a line: one that it declines is stopped. */
function taken(transceiver) {
  return Boolean(transceiver) && transceiver.direction !== "stopped"
    && Boolean(transceiver.currentDirection) && transceiver.currentDirection !== "stopped";
}

/**
 * The guest's call. `events` has `state(word)`, `ended(why)`, `picture(content, stream)`,
 * `sound(stream)`, `sharing(on)`.
 */
export class Guest {
  constructor(events) {
    this.events = events;
    this.key = random(24);
    this.microphone = null;
    this.camera = null;
    this.screen = null;
    this.contents = new Map();
    this.pictures = new Map();
  }

  /** Opens the microphone, and the camera where it is wished for. */
  async prepare({ microphone, camera }) {
    this.release(this.microphone);
    this.release(this.camera);
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    if (microphone && microphone !== "default") audio.deviceId = { exact: microphone };
    this.microphone = await navigator.mediaDevices.getUserMedia({ audio });
    this.camera = null;
    if (camera) {
      const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { max: 30 } };
      this.camera = await navigator.mediaDevices.getUserMedia({ video }).catch(() => null);
    }
    return this.microphone;
  }

  /** Calls the rooms at `host`. */
  async join(host, name, [meeting, passcode], language) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.call = new Call(`${scheme}://${location.host}/sip`, {
      progress: (status) => this.events.state(status >= 180 ? "ringing" : "calling"),
      offered: (sdp) => this.answer(sdp),
      ended: (why) => this.end(why),
    });
    await this.call.open();
    // Each line has a way of its own (see `described`). The node is ICE-lite and has one address.
    this.peer = new RTCPeerConnection({ bundlePolicy: "max-compat", iceServers: [] });
    this.peer.ontrack = (event) => this.arrived(event);
    this.peer.onconnectionstatechange = () => {
      if (this.peer.connectionState === "failed") this.events.state("no-media");
    };
    const sound = this.microphone.getAudioTracks()[0];
    this.sound = this.peer.addTransceiver(sound, { direction: "sendrecv" });
    const picture = this.camera ? this.camera.getVideoTracks()[0] : "video";
    this.main = this.peer.addTransceiver(picture, { direction: this.camera ? "sendrecv" : "recvonly" });
    const offer = await this.peer.createOffer();
    await this.peer.setLocalDescription(offer);
    const user = `${meeting}${passcode ? `*${passcode}` : ""}`;
    const key = await digest(this.key);
    const answer = await this.call.invite(`sip:${user}@${host}`, name, this.described(),
      [`X-Guest-Key: ${key}`, `X-Guest-Language: ${language}`]);
    await this.peer.setRemoteDescription({ type: "answer", sdp: answer });
    this.events.state("joined");
  }

  /** Whether the room takes pictures. */
  get hasPictures() {
    return taken(this.main);
  }

  described() {
    const sdp = withContent(this.peer.localDescription.sdp, this.contents);
    // A node that hears of the group takes it: nothing else says so early that the lines need not share their way.
    const apart = this.peer.getConfiguration().bundlePolicy === "max-compat";
    return apart ? sdp.replace(/^a=group:BUNDLE.*\r\n/gm, "") : sdp;
  }

  /** The node offers: a refresh, or other lines. */
  async answer(sdp) {
    await this.peer.setRemoteDescription({ type: "offer", sdp });
    await this.peer.setLocalDescription(await this.peer.createAnswer());
    return this.described();
  }

  arrived(event) {
    // Streams are not named in our answers: a browser puts all tracks into one then, and shows its first.
    const stream = new MediaStream([event.track]);
    if (event.track.kind === "audio") {
      this.events.sound(stream);
      return;
    }
    const content = this.contents.get(event.transceiver.mid) === "slides" ? "slides" : "main";
    this.pictures.set(content, { stream, receiver: event.receiver, frames: 0, last: 0, shown: false });
    if (!this.looking) this.looking = setInterval(() => this.look(), LOOK);
  }

  /** Shows what moves: a browser keeps the last picture of a camera that is off for ever. */
  async look() {
    for (const [content, picture] of this.pictures) {
      const facts = Array.from((await picture.receiver.getStats()).values());
      const line = facts.find((fact) => fact.type === "inbound-rtp");
      const frames = (line && line.framesDecoded) || 0;
      const now = performance.now();
      if (frames !== picture.frames) picture.last = now;
      picture.frames = frames;
      const shown = frames > 0 && now - picture.last < STILL;
      if (shown !== picture.shown) this.events.picture(content, shown ? picture.stream : null);
      picture.shown = shown;
    }
  }

  mute(on) {
    if (this.microphone) this.microphone.getAudioTracks().forEach((track) => { track.enabled = !on; });
  }

  async useMicrophone(id) {
    const before = this.microphone;
    const enabled = before ? before.getAudioTracks()[0].enabled : true;
    const audio = { deviceId: { exact: id }, echoCancellation: true, noiseSuppression: true };
    this.microphone = await navigator.mediaDevices.getUserMedia({ audio });
    const track = this.microphone.getAudioTracks()[0];
    track.enabled = enabled;
    if (this.sound) await this.sound.sender.replaceTrack(track);
    this.release(before);
    return this.microphone;
  }

  /** Shows the camera's picture, or no more; `false` where the room takes none. */
  async useCamera(on) {
    if (on && !this.camera) {
      this.camera = await navigator.mediaDevices.getUserMedia({ video: true });
    }
    if (!on) {
      if (taken(this.main)) await this.main.sender.replaceTrack(null);
      this.release(this.camera);
      this.camera = null;
      return true;
    }
    this.main = await this.send(this.main, this.camera.getVideoTracks()[0], "");
    return this.hasPictures;
  }

  /** Offers a second picture with the screen; `false` where the room takes none. */
  async share() {
    const wishes = { video: { frameRate: { max: 15 } }, audio: false };
    this.screen = await navigator.mediaDevices.getDisplayMedia(wishes);
    const track = this.screen.getVideoTracks()[0];
    track.contentHint = "detail";
    track.onended = () => this.unshare();
    this.slides = await this.send(this.slides, track, "slides");
    const fine = taken(this.slides);
    if (!fine) await this.unshare();
    this.events.sharing(fine);
    return fine;
  }

  async unshare() {
    this.release(this.screen);
    this.screen = null;
    if (taken(this.slides)) await this.slides.sender.replaceTrack(null);
    this.events.sharing(false);
  }

  /** Sends a track on its line, or on a new one where that was declined; gives the line. */
  async send(before, track, content) {
    let line = before;
    if (taken(line)) {
      await line.sender.replaceTrack(track);
      if (line.direction === "sendrecv") return line;
      line.direction = "sendrecv";
    } else {
      line = this.peer.addTransceiver(track, { direction: "sendrecv" });
    }
    await this.peer.setLocalDescription(await this.peer.createOffer());
    if (content) this.contents.set(line.mid, content);
    try {
      const answer = await this.call.offer(this.described());
      await this.peer.setRemoteDescription({ type: "answer", sdp: answer });
    } catch (error) {
      this.contents.delete(line.mid);
      await this.peer.setLocalDescription({ type: "rollback" }).catch(() => {});
    }
    return line;
  }

  press(symbol) {
    return this.call.key(symbol).catch(() => {});
  }

  leave() {
    if (this.call) this.call.hangUp();
  }

  end(why) {
    clearInterval(this.looking);
    this.pictures.clear();
    for (const stream of [this.microphone, this.camera, this.screen]) this.release(stream);
    this.microphone = this.camera = this.screen = null;
    if (this.peer) this.peer.close();
    this.events.ended(why);
  }

  release(stream) {
    if (stream) stream.getTracks().forEach((track) => track.stop());
  }
}
