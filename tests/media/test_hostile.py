"""Files that want to read other files, to reach the network, or to fill the disk. The canary never sings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mediaanalysis.errors import MediaError
from mediaanalysis.media import audio, ffmpeg, frames
from mediaanalysis.media.identify import MP4
from mediaanalysis.sandbox import Capabilities, Completed, Limits, Reach, Sandbox
from mediaanalysis.structs.media import AudioStream, MediaProbe, VideoStream
from tests.clips import Clips
from tests.media.servers import answering, serving
from tests.security.media.playlists import POINTERS, TEXTS, fill

CANARY = "canary-7f3a"
ATTACKS = {**POINTERS, **TEXTS}


@pytest.fixture
def folder(clips: Clips, tmp_path: Path) -> Path:
    """Another tenant's files beside the attacker's."""
    for name in ("mp4", "ts"):
        (tmp_path / f"victim.{name}").write_bytes(clips(f"plain.{name}").read_bytes())
    (tmp_path / "secret.txt").write_text(CANARY)
    (tmp_path / "into").mkdir()
    return tmp_path


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> list[Completed]:
    """All that programs said."""
    said: list[Completed] = []
    run = Sandbox.run

    async def overheard(*args, **options) -> Completed:
        said.append(await run(*args, **options))
        return said[-1]

    monkeypatch.setattr(Sandbox, "run", overheard)
    return said


def filled(name: str, folder: Path, canary: str = "127.0.0.1:9") -> bytes:
    secret, absolute = str(folder / "secret.txt"), str(folder / "victim")
    return fill(ATTACKS[name], relative="victim", absolute=absolute, secret=secret, canary=canary)


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_playlist_named_mp4_leaks_nothing(ffmpeg_sandbox: Sandbox, look, folder, spoken, name: str) -> None:
    """Refused by its first bytes; and once more by ffmpeg, if it came so far."""
    attack = folder / "attack.mp4"
    attack.write_bytes(filled(name, folder))
    if name in POINTERS:
        with pytest.raises(MediaError):
            await look(attack)
    with pytest.raises(MediaError):
        await ffmpeg.describe(ffmpeg_sandbox, attack)
    video = VideoStream(0, "h264", 320, 180)
    probe = MediaProbe(MP4.media_type, MP4.mime_type, "mp4", 1, 4.0, video=video, audio=(AudioStream(0, "aac", 1, 1),))
    with pytest.raises(MediaError):
        await frames.extract(ffmpeg_sandbox, attack, probe, MP4, count=2, into=folder / "into")
    with pytest.raises(MediaError):
        await audio.extract(ffmpeg_sandbox, attack, probe, into=folder / "into")
    assert all(path.stat().st_size == 0 for path in (folder / "into").iterdir())
    assert not any(CANARY in f"{done.stdout!r}{done.stderr}" for done in spoken)


@pytest.mark.parametrize("name", ["concat:secret.txt|secret.txt", "a%d.mp4", "-y.mp4", "pipe:0", "x\u00e9 y'z.mp4"])
async def test_names_are_names(ffmpeg_sandbox: Sandbox, look, clips: Clips, folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(clips("plain.mp4").read_bytes())
    clip = await look(path)
    found, _ = await frames.extract(ffmpeg_sandbox, path, clip.probe, clip.identity, count=2, into=folder / "into")
    assert len(found) == 2


async def test_no_output_carries_the_tags(ffmpeg_sandbox: Sandbox, look, clips: Clips, tmp_path: Path) -> None:
    tagged = tmp_path / "tagged.mp4"
    clips.ffmpeg(f"-i {clips('plain.mp4')} -c copy -metadata title={CANARY} -metadata location=+52.5+13.4/ {tagged}")
    clip, into = await look(tagged), tmp_path / "into"
    into.mkdir()
    await frames.extract(ffmpeg_sandbox, tagged, clip.probe, clip.identity, count=1, into=into)
    await audio.extract(ffmpeg_sandbox, tagged, clip.probe, into=into)
    written = [path.read_bytes() for path in into.iterdir()]
    assert len(written) == 2
    assert not any(mark in data for data in written for mark in (CANARY.encode(), b"52.5"))


async def test_every_command_carries_the_guards(ffmpeg_sandbox: Sandbox, look, tmp_path: Path, monkeypatch) -> None:
    commands: list[list[str]] = []
    run = Sandbox.run

    async def noted(sandbox: Sandbox, argv: list[str], **options) -> Completed:
        commands.append(argv)
        return await run(sandbox, argv, **options)

    monkeypatch.setattr(Sandbox, "run", noted)
    for name in ("one_keyframe.mp4", "plain.mp4", "no_duration.webm"):
        clip = await look(name)
        await frames.extract(ffmpeg_sandbox, clip.path, clip.probe, clip.identity, count=3, into=tmp_path)
        if clip.probe.audio:
            await audio.extract(ffmpeg_sandbox, clip.path, clip.probe, into=tmp_path)
    assert len(commands) >= 8
    for argv in commands:
        inputs = [n for n, word in enumerate(argv) if word.startswith("file:")]
        assert inputs, argv
        assert argv.count("-protocol_whitelist") == argv.count("-format_whitelist") == len(inputs)
        assert argv.count("-max_pixels") == len(inputs) <= argv.count("-threads")
        assert argv.index("-format_whitelist") < inputs[0]
        if argv[0] == "ffmpeg":
            assert "-nostdin" in argv
            assert argv.count("-fs") == argv.count("-map_metadata") >= 1


def test_nothing_that_follows_names_is_on_the_list() -> None:
    followers = {
        "concat",
        "hls",
        "dash",
        "sdp",
        "image2",
        "lavfi",
        "tty",
        "rtsp",
        "imf",
        "webm_dash_manifest",
        "vobsub",
    }
    assert not followers & set(ffmpeg.DEMUXERS.split(","))


async def test_doctor_sees_a_complete_ffmpeg(ffmpeg_sandbox: Sandbox) -> None:
    tools = await ffmpeg.inspect(ffmpeg_sandbox)
    assert (tools.missing, tools.version.startswith("ffmpeg version")) == ((), True)


async def test_doctor_sees_a_missing_ffmpeg(ffmpeg_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("mediaanalysis.sandbox.runner.ENVIRONMENT", {"PATH": f"{tmp_path}", "LANG": "C.UTF-8"})
    bare = Sandbox(1, type(ffmpeg_sandbox.capabilities)())
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert (await ffmpeg.inspect(bare)).missing == ("ffmpeg", "ffprobe")


LEAKING = ("hls relative", "hls absolute", "concat relative", "concat absolute", "dash relative")
"""What ffmpeg 5.1 follows when it is told nothing, or that files are all right."""


async def naive(sandbox: Sandbox, attack: Path, out: Path) -> int:
    """The bytes that a careless command line makes of the attack, with all protocols and formats."""
    protocols = ("-protocol_whitelist", "file,http,tcp,crypto,data,subfile,concat", "-safe", "0")
    safe = protocols if attack.read_bytes().startswith(b"ffconcat") else protocols[:2]
    argv = ["ffmpeg", "-v", "error", *safe, "-i", f"{attack}", "-t", "1", "-f", "nut", "-y", f"{out}"]
    limits, reach = Limits(wall_seconds=20, cpu_seconds=20), Reach(reads=(attack,), writes=(out.parent,))
    await sandbox.run(argv, limits=limits, reach=reach, cwd=attack.parent)
    return out.stat().st_size if out.exists() else 0


async def test_what_a_careless_command_line_lets_through_the_guards_stop(ffmpeg_sandbox: Sandbox, folder: Path) -> None:
    """The attacks are real: without guards they read the victim's media and reach the network. With them, nothing."""
    guards = ffmpeg_sandbox.capabilities
    if not guards.landlock_version:
        pytest.skip("this kernel has no Landlock")
    bare = Sandbox(2, Capabilities())
    async with serving(answering("HTTP/1.1 404 Not Found\nContent-Length: 0")) as canary:
        for name in (*LEAKING, "hls http"):
            attack = folder / f"{name.replace(' ', '_')}.mp4"
            attack.write_bytes(filled(name, folder, f"127.0.0.1:{canary.port}"))
        attacks = sorted(folder.glob("*_*.mp4"))
        leaked = {attack.stem: await naive(bare, attack, folder / "into" / attack.stem) for attack in attacks}
        reached = canary.connections
        shutil.rmtree(folder / "into")
        (folder / "into").mkdir()
        guarded = {
            attack.stem: await naive(ffmpeg_sandbox, attack, folder / "into" / attack.stem) for attack in attacks
        }
        assert (reached > 0, canary.connections) == (True, reached)
    assert {name for name, size in leaked.items() if size > 10_000} >= {"hls_absolute", "concat_relative"}
    assert {name for name, size in guarded.items() if size > 1000} == set()
