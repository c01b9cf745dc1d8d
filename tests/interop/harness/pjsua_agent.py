"""A pjsua2 user agent as a process: commands come as JSON lines on standard input, events go as
JSON lines to standard output. It plays a tone and records what it hears, from the first media on.

pjsua2 keeps state of the whole process, so each agent is a process of its own.
"""

import json
import os
import select
import sys

import pjsua2 as pj


def emit(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class Call(pj.Call):
    def __init__(self, agent, id=pj.PJSUA_INVALID_ID):
        super().__init__(agent.account, id)
        self.agent = agent
        self._connected = False

    def onCallState(self, prm):
        info = self.getInfo()
        emit("state", state=info.stateText, status=info.lastStatusCode, reason=info.lastReason)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.agent.drop(self)

    def onCallTransferStatus(self, prm):
        emit("transfer", status=prm.statusCode, final=prm.finalNotify)

    def onCallMediaState(self, prm):
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            emit("media", status=media.status, direction=media.dir)
            if media.status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD):
                audio = self.getAudioMedia(index)
                self.agent.tone.startTransmit(audio)
                audio.startTransmit(self.agent.recorder)

    def onInstantMessage(self, prm):
        emit("message", body=prm.msgBody, type=prm.contentType)

    def onInstantMessageStatus(self, prm):
        emit("message_answered", status=prm.code)

    def onDtmfDigit(self, prm):
        emit("dtmf", digit=prm.digit, info=prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO)


class Account(pj.Account):
    def __init__(self, agent):
        super().__init__()
        self.agent = agent

    def onIncomingCall(self, prm):
        call = Call(self.agent, prm.callId)
        self.agent.take(call)
        emit("incoming", request=prm.rdata.wholeMsg)
        self.agent.answer(self.agent.first_status)

    def onRegState(self, prm):
        emit("registration", status=prm.code, seconds=prm.expiration)


class Agent:
    def __init__(self, options):
        self.call = None
        self.others = []
        self.first_status = options["first_status"]
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.medConfig.clockRate = 8000
        config.medConfig.sndClockRate = 8000
        config.medConfig.ecTailLen = 0
        config.medConfig.noVad = True
        config.logConfig.level = 4
        config.logConfig.consoleLevel = 0
        config.logConfig.filename = options["log"]
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port = options["port"]
        transport.boundAddress = options["ip"]
        kind = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP,
                "tls": pj.PJSIP_TRANSPORT_TLS}[options["transport"]]
        if options["transport"] == "tls":
            certificate, key, authority = options["tls"]
            transport.tlsConfig.certFile, transport.tlsConfig.privKeyFile = certificate, key
            transport.tlsConfig.CaListFile = authority
            transport.tlsConfig.verifyServer = True
        self.endpoint.transportCreate(kind, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            wanted = codec.codecId.startswith(options["codec"] + "/")
            self.endpoint.codecSetPriority(codec.codecId, 255 if wanted else 0)
        account = pj.AccountConfig()
        account.idUri = options["id"]
        account.mediaConfig.transportConfig.boundAddress = options["ip"]
        account.mediaConfig.transportConfig.publicAddress = options["ip"]
        if options["srtp"]:
            # Keys in session descriptions, over whatever signalling: the test says which.
            account.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
            account.mediaConfig.srtpSecureSignaling = 0
            account.mediaConfig.srtpOpt.keyings.append(pj.PJMEDIA_SRTP_KEYING_SDES)
        account.sipConfig.proxies = pj.StringVector(options["proxies"])
        if options.get("insists_on_100rel"):
            account.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
        if options["credentials"]:
            user, password = options["credentials"]
            account.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
        if options["registrar"]:
            account.regConfig.registrarUri = options["registrar"]
            account.regConfig.timeoutSec = 120
        self.account = Account(self)
        self.account.create(account)
        self.tone = pj.ToneGenerator()
        self.tone.createToneGenerator(8000, 1)
        desc = pj.ToneDesc()
        desc.freq1, desc.freq2, desc.on_msec, desc.off_msec = options["hertz"], 0, 2000, 0
        self.tone.play(pj.ToneDescVector([desc]), True)
        self.recorder = pj.AudioMediaRecorder()
        self.recorder.createRecorder(options["recording"])
        emit("ready")

    def take(self, call):
        """The newest call is the one that commands mean."""
        if self.call is not None:
            self.others.append(self.call)
        self.call = call

    def drop(self, call):
        if call in self.others:
            self.others.remove(call)
        elif call is self.call:
            self.call = self.others.pop() if self.others else None

    def answer(self, status):
        prm = pj.CallOpParam()
        prm.statusCode = status
        self.call.answer(prm)

    def handle(self, command):
        name = command["do"]
        prm = pj.CallOpParam(True)
        if name == "call":
            self.take(Call(self))
            self.call.makeCall(command["uri"], prm)
        elif name == "answer":
            self.answer(command["status"])
        elif name == "hold":
            self.call.setHold(pj.CallOpParam(True))
        elif name == "resume":
            prm.opt.flag = pj.PJSUA_CALL_UNHOLD
            self.call.reinvite(prm)
        elif name == "hangup":
            self.call.hangup(pj.CallOpParam())
        elif name == "transfer":
            self.call.xfer(command["uri"], pj.CallOpParam(True))
        elif name == "transfer_to_newest":
            self.others[-1].xferReplaces(self.call, pj.CallOpParam(True))
        elif name == "message":
            prm = pj.SendInstantMessageParam()
            prm.contentType, prm.content = "text/plain", command["text"]
            self.call.sendInstantMessage(prm)
        elif name == "dtmf":
            self.call.dialDtmf(command["digits"])
        elif name == "info":
            prm = pj.CallSendDtmfParam()
            prm.method, prm.duration, prm.digits = pj.PJSUA_DTMF_METHOD_SIP_INFO, 160, command["digits"]
            self.call.sendDtmf(prm)
        elif name == "tones":
            self._play(command["digits"], command["on"], command["off"])
        elif name == "unregister":
            self.account.setRegistration(False)
        elif name == "statistics":
            self._statistics()
        else:
            raise ValueError(name)

    def _play(self, digits, on, off):
        """Keys as tones in the audio, instead of the tone."""
        self.tone.stop()
        played = pj.ToneDigitVector()
        for digit in digits:
            one = pj.ToneDigit()
            one.digit, one.on_msec, one.off_msec, one.volume = digit, on, off, 0
            played.append(one)
        self.tone.playDigits(played)

    def _statistics(self):
        rtcp = self.call.getStreamStat(0).rtcp
        emit("statistics", received=rtcp.rxStat.pkt, lost=rtcp.rxStat.loss, sent=rtcp.txStat.pkt,
             rtt_us=rtcp.rttUsec.last)

    def serve(self):
        pending = b""
        while True:
            self.endpoint.libHandleEvents(10)
            if not select.select([0], [], [], 0)[0]:
                continue
            data = os.read(0, 65536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                command = json.loads(line)
                if command["do"] == "quit":
                    return
                self._try(command)

    def _try(self, command):
        try:
            self.handle(command)
        except pj.Error as error:
            emit("error", text=error.info())


def main():
    agent = Agent(json.loads(sys.argv[1]))
    agent.serve()
    # Closes the recording. The library's own tear-down of Python-owned objects at exit can crash,
    # which says nothing about the edge.
    agent.call, agent.others = None, []
    del agent.recorder
    agent.endpoint.libDestroy()
    emit("gone")
    os._exit(0)


main()
