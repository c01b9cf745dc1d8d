// The guest's call: what it sends, and what is heard and seen of the others.

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

/** What the lines of a description are for, by their `a=mid`, where it says so. */
function contentsOf(sdp) {
  return sections(sdp).map((section) => [/^a=mid:(\S+)/m.exec(section), /^a=content:(\S+)/m.exec(section)])
    .filter(([mid, content]) => mid && content).map(([mid, content]) => [mid[1], content[1]]);
}

/**
 * The guest's call, with its devices. `events` has `state(word)`, `ended(why)`, `picture(content, stream)` and
 * `sound(stream)`; it ends once.
 */
export class Guest {
  constructor(devices, events) {
    this.devices = devices;
    this.events = events;
    this.key = random(24);
    this.contents = new Map();
    this.pictures = new Map();
    this.over = false;
    this.offers = Promise.resolve();
  }

  /** Calls the rooms at `host`; `before` is the key of the call that was lost, if there is one. */
  join(host, name, number, language, before) {
    return this.inTurn(() => this.begin(host, name, number, language, before));
  }

  async begin(host, name, [meeting, passcode], language, before) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.call = new Call(`${scheme}://${location.host}/sip`, {
      progress: (status) => this.events.state(status >= 180 ? "ringing" : "calling"),
      offered: (sdp) => this.inTurn(() => this.answer(sdp)),
      ended: (why) => this.end(why),
    });
    await this.call.open();
    this.goOn();
    // Each line has a way of its own (see `described`). The node is ICE-lite and has one address.
    this.peer = new RTCPeerConnection({ bundlePolicy: "max-compat", iceServers: [] });
    this.peer.ontrack = (event) => this.arrived(event);
    this.peer.onconnectionstatechange = () => this.takeConnection(this.peer.connectionState);
    this.sound = this.peer.addTransceiver(this.devices.sound, { direction: "sendrecv" });
    const camera = this.devices.camera.track;
    this.main = this.peer.addTransceiver(camera || "video", { direction: camera ? "sendrecv" : "recvonly" });
    await this.peer.setLocalDescription(await this.peer.createOffer());
    this.goOn();
    const user = `${meeting}${passcode ? `*${passcode}` : ""}`;
    const more = [`X-Guest-Key: ${await digest(this.key)}`, `X-Guest-Language: ${language}`];
    if (before) more.push(`X-Guest-Before: ${await digest(before)}`);
    this.goOn();
    const answer = await this.call.invite(`sip:${user}@${host}`, name, this.described(), more);
    this.goOn();
    await this.peer.setRemoteDescription({ type: "answer", sdp: answer });
    this.goOn();
    this.events.state("joined");
  }

  /** Whoever has left meanwhile calls nobody. */
  goOn() {
    if (this.over) throw new Error("the call is over");
  }

  /** Whether the room takes pictures. */
  get hasPictures() {
    return taken(this.main);
  }

  /** Whether it can be given pictures that the room composes, which are H.264. */
  get seesComposed() {
    const answered = this.peer && this.peer.remoteDescription;
    return this.hasPictures && Boolean(answered) && / H264\/90000/i.test(answered.sdp);
  }

  described() {
    const sdp = withContent(this.peer.localDescription.sdp, this.contents);
    // A node that hears of the group takes it: nothing else says so early that the lines need not share their way.
    const apart = this.peer.getConfiguration().bundlePolicy === "max-compat";
    return apart ? sdp.replace(/^a=group:BUNDLE.*\r\n/gm, "") : sdp;
  }

  /** One after the other: a browser has one offer at a time. */
  inTurn(work) {
    const done = this.offers.then(() => {
      this.goOn();
      return work();
    });
    this.offers = done.catch(() => {});
    return done;
  }

  /** The node offers: a refresh, or other lines. */
  async answer(sdp) {
    for (const [mid, content] of contentsOf(sdp)) this.contents.set(mid, content);
    await this.peer.setRemoteDescription({ type: "offer", sdp });
    await this.peer.setLocalDescription(await this.peer.createAnswer());
    return this.described();
  }

  /** What has become of the ways of sound and pictures; one that was there and is lost is looked for anew, once. */
  takeConnection(state) {
    if (state === "connected") {
      this.wasConnected = true;
      this.restarted = false;
      this.events.state("media");
    } else if (state === "failed" && this.wasConnected && !this.restarted) {
      this.restarted = true;
      this.restart();
    } else if (state === "failed") {
      this.events.state("no-media");
    }
  }

  /** Looks for a way from other addresses: the network may be another one (RFC 8445 section 2.4). */
  async restart() {
    if (this.over || !this.peer || this.restarting) return;
    this.restarting = true;
    const fine = await this.inTurn(() => {
      // Whoever asks from now on may know of a network that this offer does not.
      this.restarting = false;
      this.peer.restartIce();
      return this.offer();
    }).catch(() => false);
    if (!fine && !this.over) this.events.state("no-media");
  }

  /** The network may be another one now. */
  probe() {
    if (this.over || !this.call) return;
    this.call.probe();
    if (this.peer && ["disconnected", "failed"].includes(this.peer.connectionState)) this.restart();
  }

  arrived(event) {
    // Streams are not named in our answers: a browser puts all tracks into one then, and shows its first.
    const stream = new MediaStream([event.track]);
    if (event.track.kind === "audio") {
      this.events.sound(stream);
      return;
    }
    const content = this.contents.get(event.transceiver.mid) === "slides" ? "slides" : "main";
    this.pictures.set(content, { stream, line: event.transceiver, frames: 0, last: 0, shown: false });
    if (!this.looking) this.looking = setInterval(() => this.look(), LOOK);
  }

  /** Shows what moves: a browser keeps the last picture of a camera that is off for ever. */
  async look() {
    // Not by receiver: what comes without being named in a description is not told of there after a further offer.
    const facts = Array.from((await this.peer.getStats()).values()).filter((fact) => fact.type === "inbound-rtp");
    if (this.over) return;
    for (const [content, picture] of this.pictures) {
      const line = facts.find((fact) => fact.mid === picture.line.mid
        || fact.trackIdentifier === picture.line.receiver.track.id);
      const frames = (line && line.framesDecoded) || 0;
      const now = performance.now();
      if (frames !== picture.frames) picture.last = now;
      picture.frames = frames;
      const shown = frames > 0 && now - picture.last < STILL;
      if (shown !== picture.shown) this.events.picture(content, shown ? picture.stream : null);
      picture.shown = shown;
    }
  }

  /** Sends what the microphone gives now, or silence where there is none. */
  async sendSound() {
    if (this.sound && !this.over) await this.sound.sender.replaceTrack(this.devices.sound);
  }

  /** Sends what the camera gives now, or nothing; `false` where the room takes none. */
  sendCamera() {
    return this.inTurn(async () => {
      this.main = await this.send(this.main, this.devices.camera.track, "");
      return this.hasPictures;
    });
  }

  /** The same of the screen, on a second line. */
  sendScreen() {
    return this.inTurn(async () => {
      const track = this.devices.screen.track;
      if (track) track.contentHint = "detail";
      this.slides = await this.send(this.slides, track, "slides");
      return taken(this.slides);
    });
  }

  /** Sends a track on its line, or on a new one where that was declined; gives the line. */
  async send(before, track, content) {
    let line = before;
    if (taken(line)) {
      await line.sender.replaceTrack(track);
      if (!track || line.direction === "sendrecv") return line;
      line.direction = "sendrecv";
    } else if (track) {
      line = this.peer.addTransceiver(track, { direction: "sendrecv" });
    } else {
      return line;
    }
    await this.offer(line, content);
    return line;
  }

  /** Offers what there is now, with what a line is for; whether that was answered. */
  async offer(line, content) {
    const isNew = line && !line.mid;
    await this.peer.setLocalDescription(await this.peer.createOffer());
    const mid = line && line.mid;
    if (content) this.contents.set(mid, content);
    try {
      const answer = await this.call.offer(this.described());
      await this.peer.setRemoteDescription({ type: "answer", sdp: answer });
      return true;
    } catch (error) {
      if (isNew) this.contents.delete(mid);
      if (!this.over) await this.peer.setLocalDescription({ type: "rollback" }).catch(() => {});
      return false;
    }
  }

  press(symbol) {
    return this.call.key(symbol).catch(() => {});
  }

  leave() {
    if (this.call) this.call.hangUp();
    this.end({ status: 200, reason: "", byUs: true });
  }

  end(why) {
    if (this.over) return;
    this.over = true;
    if (this.call) this.call.hangUp();
    clearInterval(this.looking);
    this.pictures.clear();
    if (this.peer) this.peer.close();
    this.events.ended(why);
  }
}
