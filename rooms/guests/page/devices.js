// The guest's own devices: microphone, camera and screen. They outlive a call that is lost.

/** What a camera is asked for. */
const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { max: 30 } };

function stop(stream) {
  stream.getTracks().forEach((track) => track.stop());
}

/**
 * One device: of it at most one stream is open. What was wished for last holds: a stream that comes later, since its
 * user was asked meanwhile, is stopped at once. `gone` is called when the device ends by itself.
 */
export class Device {
  constructor(gone) {
    this.gone = gone;
    this.stream = null;
    /** Whether it is open, or is to be. */
    this.wanted = false;
    this.wishes = 0;
  }

  /** Opens it by `opening`; `null` where something else was wished for by then. */
  async open(opening) {
    const wish = this.wish(true);
    let stream;
    try {
      stream = await opening();
    } catch (error) {
      if (wish !== this.wishes) return null;
      this.wanted = Boolean(this.stream);
      throw error;
    }
    if (wish !== this.wishes) {
      stop(stream);
      return null;
    }
    if (this.stream) stop(this.stream);
    this.stream = stream;
    for (const track of stream.getTracks()) {
      track.onended = () => {
        if (this.stream !== stream) return;
        this.close();
        this.gone();
      };
    }
    return stream;
  }

  close() {
    this.wish(false);
    if (this.stream) stop(this.stream);
    this.stream = null;
  }

  /** The first track of what is open, or `null`. */
  get track() {
    return this.stream && this.stream.getTracks()[0];
  }

  wish(on) {
    this.wanted = on;
    this.wishes += 1;
    return this.wishes;
  }
}

/** All of them; `events` has `gone(name)`. */
export class Devices {
  constructor(events) {
    const device = (name) => new Device(() => events.gone(name));
    this.microphone = device("microphone");
    this.camera = device("camera");
    this.screen = device("screen");
    this.silent = null;
  }

  openMicrophone(id) {
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    if (id && id !== "default") audio.deviceId = { exact: id };
    return this.microphone.open(() => media().getUserMedia({ audio }));
  }

  openCamera() {
    return this.camera.open(() => media().getUserMedia({ video: PICTURE }));
  }

  openScreen() {
    const wishes = { video: { frameRate: { max: 15 } }, audio: false };
    return this.screen.open(() => media().getDisplayMedia(wishes));
  }

  /** What is sent as sound: where there is no microphone, silence. Who sends nothing at all is taken for lost. */
  get sound() {
    if (this.microphone.track) return this.microphone.track;
    if (!this.silent) {
      this.silent = new AudioContext();
      this.silence = this.silent.createMediaStreamDestination().stream.getAudioTracks()[0];
    }
    return this.silence;
  }

  mute(on) {
    if (this.microphone.track) this.microphone.track.enabled = !on;
  }

  /** Nothing is open any more, nor opened by what is still asked. */
  close() {
    for (const device of [this.microphone, this.camera, this.screen]) device.close();
    if (this.silent) this.silent.close();
    this.silent = null;
  }
}

/** Browsers have them only for pages under TLS, and of the host itself. */
function media() {
  if (!navigator.mediaDevices) throw new DOMException("not under TLS", "SecurityError");
  return navigator.mediaDevices;
}

/** Why a device cannot be used: the key of what is to be said. */
export function whyNot(error) {
  switch (error.name) {
    case "NotAllowedError":
    case "PermissionDeniedError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "none";
    case "NotReadableError":
    case "AbortError":
      return "in-use";
    case "SecurityError":
      return "insecure";
    default:
      return "unusable";
  }
}
