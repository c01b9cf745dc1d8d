"""How speech sounds that the edge transcodes: real packets through it, coded and decoded by ffmpeg."""

import struct

import pytest

from harness import places, speech
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

# Narrowband first; what both sides of the last have is wideband.
PAIRS = [("PCMU", "PCMA"), ("PCMU", "G722"), ("PCMA", "opus"), ("PCMU", "L16"), ("G722", "L16"),
         ("opus", "L16"), ("G722", "opus")]
NARROW = {"PCMU", "PCMA"}


def described(endpoint, form):
    return sdp(endpoint.ip, endpoint.port, payloads=((form.payload_type, form.rtpmap),))


def answered_in(form, offer):
    """The format under the payload type that our offer has for it."""
    for line in offer.body.decode().split("\r\n"):
        number, _, encoding = line.removeprefix("a=rtpmap:").partition(" ")
        if line.startswith("a=rtpmap:") and encoding.lower() == form.rtpmap.lower():
            return speech.Format(form.name, int(number), *list(vars(form).values())[2:])
    return form


def heard(endpoint, form):
    packets = {}
    for packet in list(endpoint.received):
        assert packet[1] & 0x7F == form.payload_type, packet[:12].hex()
        packets[struct.unpack("!H", packet[2:4])[0]] = packet[12:]
    numbers = sorted(packets, key=lambda number: (number - next(iter(packets))) & 0xFFFF)
    assert len(numbers) == (numbers[-1] - numbers[0]) % 65_536 + 1, "a number is missing"
    return speech.decoded([packets[number] for number in numbers], form)


@pytest.mark.parametrize("one, other", PAIRS)
def test_transcoded_speech_sounds_as_good_as_its_formats_allow(stage, one, other):
    near_form, far_form = speech.FORMATS[one], speech.FORMATS[other]
    stage.configuration.connector["media"] = {
        "transcode": "needed", "transcode_formats": ["PCMU", "PCMA", "G722", "opus", "L16/16000"]}
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    near, far = stage.rtp(places.PBX, 440), stage.rtp(places.CARRIER, 440)
    call = OutgoingCall(caller, edge, places.US_NUMBER, described(near, near_form))
    invite = gateway.expect_request("INVITE")
    far_form = answered_in(far_form, invite)
    gateway.reply(invite, 200, "OK", described(far, far_form))
    call.answered()
    gateway.expect(lambda m: m.status is None and m.method == "ACK")

    said = speech.spoken()
    speakers = [speech.Speaker(near, call.answer.media(), near_form,
                               speech.coded(*said, near_form)),
                speech.Speaker(far, invite.media(), far_form, speech.coded(*said, far_form))]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join()
    least = int(len(said[0]) / said[1] * 50) - 5
    wait_until(lambda: min(len(near.received), len(far.received)) >= least, 10, "the last packets")
    stage.hang_up(call, gateway)

    scores, worst = [], 5.0
    wide = not {one, other} & NARROW
    for name, endpoint, form in ((f"{one} to {other}", far, far_form),
                                 (f"{other} to {one}", near, near_form)):
        mos = speech.score(said, heard(endpoint, form), wide)
        scores.append(f"{name}: PESQ {'wideband' if wide else 'narrowband'} {mos:.2f}")
        worst = min(worst, mos)
    print("\n".join(scores))
    assert worst >= 4.0, scores


def test_silence_becomes_comfort_noise_and_no_speech_is_cut(stage):
    """PCMU to PCMA, both with comfort noise: a quarter of the packets are saved, and none that speech is in."""
    near_form, far_form = speech.FORMATS["PCMU"], speech.FORMATS["PCMA"]
    stage.configuration.connector["media"] = {"transcode": "needed", "comfort_noise": "send"}
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    near, far = stage.rtp(places.PBX, 440), stage.rtp(places.CARRIER, 440)

    def with_noise(endpoint, form):
        return sdp(endpoint.ip, endpoint.port,
                   payloads=((form.payload_type, form.rtpmap), (13, "CN/8000")))

    call = OutgoingCall(caller, edge, places.US_NUMBER, with_noise(near, near_form))
    invite = gateway.expect_request("INVITE")
    gateway.reply(invite, 200, "OK", with_noise(far, far_form))
    call.answered()
    assert b"m=audio" in call.answer.body and b" 0 13\r\n" in call.answer.body
    gateway.expect(lambda m: m.status is None and m.method == "ACK")

    samples, rate = speech.spoken(before=2.5, pause=1.0)
    payloads = speech.coded(samples, rate, near_form)
    speaker = speech.Speaker(near, call.answer.media(), near_form, payloads)
    speaker.start()
    speaker.join()
    stage.hang_up(call, gateway)
    edge.wait_idle()

    packets = [(struct.unpack("!I", packet[4:8])[0], packet[1] & 0x7F, packet[12:], packet[1] >> 7)
               for packet in list(far.received)]
    audio = [packet for packet in packets if packet[1] == far_form.payload_type]
    noise = [packet for packet in packets if packet[1] == 13]
    assert len(audio) + len(noise) == len(packets) and len(noise) >= 5, "comfort noise"
    assert len(audio) < 0.75 * len(payloads), f"{len(audio)} of {len(payloads)} packets"
    begin = packets[0][0]
    sent = {((stamp - begin) & 0xFFFFFFFF) // 160 for stamp, _, _, _ in audio}
    # Louder than the room by 10 dB.
    heard, frame = speech.resampled(samples, rate, 8_000).astype(float), 160
    spoken = {at for at in range(len(payloads))
              if (heard[at * frame:(at + 1) * frame] ** 2).mean() > 190 ** 2}
    assert len(spoken) > 100 and not spoken - sent, sorted(spoken - sent)
    spurts = [at for at in sorted(sent) if at - 1 not in sent]
    marked = [((stamp - begin) & 0xFFFFFFFF) // 160 for stamp, _, _, marker in audio if marker]
    assert len(spurts) > 3 and marked == spurts, "each talk spurt begins with a marker"
    mos = speech.score((samples, rate), speech.with_noise([each[:3] for each in packets], far_form, 13), False)
    print(f"PESQ narrowband {mos:.2f}, {len(audio)} of {len(payloads)} packets, {len(noise)} of noise")
    # The noise is as loud as the room's, and another.
    assert mos >= 3.9
