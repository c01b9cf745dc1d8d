"""A guest of a meeting room: the page in headless Chromium, with a tone for a microphone."""

from . import chromium, tones
from .waiting import wait_until

# The browser's own processing takes a steady tone for noise.
PLAIN = """
const devices = navigator.mediaDevices;
const open = devices.getUserMedia.bind(devices);
devices.getUserMedia = (wishes) => open({
  ...wishes,
  audio: wishes.audio && { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
});
"""

# Decibels of frequencies in what is heard of the others.
HEAR = """(async (hertz) => {
  const stream = document.getElementById('sound').srcObject;
  if (!stream) return null;
  const ear = window.ear = window.ear || new AudioContext({ sampleRate: 48000 });
  if (!window.analyser) {
    window.analyser = ear.createAnalyser();
    window.analyser.fftSize = 8192;
    window.analyser.smoothingTimeConstant = 0;
    ear.createMediaStreamSource(stream).connect(window.analyser);
    await ear.resume();
  }
  const bins = new Float32Array(window.analyser.frequencyBinCount);
  window.analyser.getFloatFrequencyData(bins);
  return hertz.map((one) => Math.max(-200, bins[Math.round(one * 8192 / 48000)]));
})(%s)"""

# What is seen of somebody: width, seconds played, and the mean colour.
SEE = """((id) => {
  const video = document.getElementById(id);
  if (video.hidden || !video.videoWidth) return null;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 16;
  const drawn = canvas.getContext('2d');
  drawn.drawImage(video, 0, 0, 16, 16);
  const samples = drawn.getImageData(0, 0, 16, 16).data;
  const mean = [0, 1, 2].map((part) => {
    let sum = 0;
    for (let at = part; at < samples.length; at += 4) sum += samples[at];
    return sum / 256;
  });
  return { width: video.videoWidth, seconds: video.currentTime, mean };
})(%r)"""


class Guest:
    """One browser with the page open; `script` runs before the page's own."""

    def __init__(self, directory, url, hertz, script=""):
        sound = tones.write_wav(directory / "microphone.wav", hertz, 4, 48_000)
        self.browser = chromium.Chromium(
            directory / "browser", "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={sound}",
            "--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection",
            "--auto-select-desktop-capture-source=Entire screen", "--lang=en-US")
        self._begin(url, script)

    def _begin(self, url, script=""):
        self.browser.size(1_200, 800)
        self.browser.before_each_page(PLAIN + script)
        self.browser.visit(url)

    def beside(self, url):
        """Another guest, on another page of this browser and with the same tone."""
        other = object.__new__(Guest)
        other.browser = self.browser.another_page()
        other._begin(url)
        return other

    def fill(self, **fields):
        for name, value in fields.items():
            self.browser.tell(f"document.getElementById('{name}').value = {value!r}")

    def press(self, selector):
        """What cannot be seen cannot be pressed."""
        pressed = self.browser.tell(
            f"((one) => one !== null && one.checkVisibility() && (one.click(), true))"
            f"(document.querySelector({selector!r}))")
        assert pressed, f"{selector} is not to be seen: {self.page()}"

    def says(self, selector):
        return self.browser.tell(f"(document.querySelector({selector!r}) || {{}}).innerText || ''")

    def wait(self, expression, what, seconds=25):
        return wait_until(lambda: self.browser.tell(expression), seconds, lambda: f"{what}: {self.page()}")

    def page(self):
        return self.browser.tell("document.body.innerText.replace(/\\s+/g, ' ')")

    def join(self, meeting, name, passcode="", camera=False):
        self.fill(id=meeting, name=name, passcode=passcode)
        if camera:
            self.press("#with-camera")
        self.press("#join-button")

    def wait_in(self, count):
        """Is in the meeting, with so many people."""
        self.wait(f"document.querySelectorAll('#tiles > li').length === {count}", f"{count} people")

    def wait_hears(self, loud, silent=()):
        """Comes to hear all of `loud`, in hertz, and none of `silent`."""
        found = {}

        def look():
            levels = self.browser.tell(HEAR % [*loud, *silent])
            if levels is None:
                return False
            found.update(zip((*loud, *silent), levels))
            quiet = min((found[hertz] for hertz in loud), default=-35) - 25
            return all(found[one] > -60 for one in loud) and all(found[one] < quiet for one in silent)

        wait_until(look, 25, lambda: f"the guest hears {loud} and not {silent}: {found}; {self.page()}")

    def wait_sees(self, wanted, element="picture"):
        """Sees such a picture there, by its width and its mean red, green and blue, and it is played."""
        first = self.wait(SEE % element, f"a picture in {element}")

        def sees():
            seen = self.browser.tell(SEE % element)
            return seen and seen["seconds"] > first["seconds"] and wanted(seen["width"], *seen["mean"])

        wait_until(sees, 25, lambda: f"{element}: {self.browser.tell(SEE % element)}; {self.page()}")

    def stop(self):
        self.browser.stop()
