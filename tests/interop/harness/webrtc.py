"""A WebRTC endpoint (aiortc: DTLS-SRTP, full ICE) that plays a tone and keeps what it hears."""

import asyncio
import fractions
import threading

import aioice.ice
import numpy as np
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame

from . import tones
from .waiting import wait_until

_FRAME = 160  # 20 ms at 8,000 Hz


class _Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hertz):
        super().__init__()
        self._audio = tones.sine(hertz, 1)
        self._sent = 0
        self._begun = None

    async def recv(self):
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        due = self._begun + self._sent * _FRAME / tones.RATE
        await asyncio.sleep(max(0.0, due - loop.time()))
        at = self._sent * _FRAME % len(self._audio)
        frame = AudioFrame.from_ndarray(self._audio[at:at + _FRAME].reshape(1, -1), "s16", "mono")
        frame.sample_rate = tones.RATE
        frame.pts = self._sent * _FRAME
        frame.time_base = fractions.Fraction(1, tones.RATE)
        self._sent += 1
        return frame


class WebRtc:
    """Runs in a thread of its own; talks G.711 \u00b5-law from `ip`."""

    def __init__(self, ip, hertz):
        # It would leave out loopback addresses.
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [ip]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._heard = []
        self._connection = self._do(self._make(hertz))

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _make(self, hertz):
        connection = RTCPeerConnection()

        @connection.on("track")
        def _on_track(track):
            asyncio.ensure_future(self._listen(track))

        self._tone = _Tone(hertz)
        return connection

    async def _listen(self, track):
        try:
            while True:
                frame = await track.recv()
                self._heard.append((frame.to_ndarray().reshape(-1), frame.sample_rate))
        except MediaStreamError:
            return

    async def _describe(self, remote=None):
        connection = self._connection
        if remote:
            await connection.setRemoteDescription(RTCSessionDescription(_with_mid(remote), "offer"))
        connection.addTrack(self._tone)
        wanted = [codec for codec in RTCRtpSender.getCapabilities("audio").codecs
                  if codec.mimeType == "audio/PCMU"]
        connection.getTransceivers()[0].setCodecPreferences(wanted)
        make = connection.createAnswer if remote else connection.createOffer
        await connection.setLocalDescription(await make())
        return connection.localDescription.sdp.encode()

    def offer(self):
        """Its offer, with all candidates."""
        return self._do(self._describe())

    def answer(self, offer):
        """Its answer to an offer."""
        return self._do(self._describe(offer))

    def take(self, answer):
        """Takes what answers its offer."""
        description = RTCSessionDescription(_with_mid(answer), "answer")
        self._do(self._connection.setRemoteDescription(description))

    def wait_connected(self, within=20):
        wait_until(lambda: self._connection.connectionState == "connected", within,
                   lambda: f"the path is up, not {self._connection.connectionState}")

    def wait_heard(self, seconds, within=20):
        """Waits until so much more was heard, and returns that part: (samples, rate)."""
        start = len(self._heard)
        wait_until(lambda: (len(self._heard) - start) * 0.02 >= seconds, within,
                   lambda: f"{len(self._heard) - start} frames of {seconds} s")
        frames = self._heard[start:]
        return np.concatenate([samples for samples, _ in frames]), frames[0][1]

    def stop(self):
        self._do(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def _with_mid(body):
    """aiortc wants each stream named (RFC 5888), which a plain far end's answer is not."""
    text = body.decode()
    return text if "a=mid:" in text else text + "a=mid:0\r\n"
