"""Ask the guarded program that opens pictures (`children/pictures.py`): one process for each question."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mediaanalysis.errors import MediaError, ResourceError
from mediaanalysis.sandbox import IMPORT_ROOT, Limits, Reach, Sandbox

PROGRAM = (sys.executable, "-m", "mediaanalysis.media.children.pictures")
LIMITS = Limits(wall_seconds=60, cpu_seconds=60, file_size_bytes=64 * 1024**2)


async def ask(sandbox: Sandbox, do: str, *, reach: Reach, **request: Any) -> Any:
    """Raises MediaError with the program's own code, or media_damaged where the picture crashed it; ResourceError,
    which is final: a picture that took too long would do so again."""
    argument = msgspec.json.encode({"do": do, **request}, enc_hook=str).decode()
    try:
        done = await sandbox.run([*PROGRAM, argument], limits=LIMITS, reach=reach, cwd=IMPORT_ROOT)
    except ResourceError as limit:
        limit.retryable = False
        raise
    if done.returncode != 0:
        error = MediaError("The picture cannot be read: it is damaged.")
        error.add_note(done.stderr)
        raise error
    said = msgspec.json.decode(done.stdout)
    if "code" in said:
        raise MediaError(said["detail"], code=said["code"])
    return said


async def shrink(sandbox: Sandbox, paths: Sequence[Path], side: int, *, into: Path) -> list[Path]:
    """Our own pictures (JPEG, PNG) as JPEG files in `into`, none with a side longer than `side`; never enlarged."""
    names = [f"shown_{side}_{number:03}.jpg" for number in range(1, len(paths) + 1)]
    reach = Reach(reads=tuple(paths), writes=(into,))
    await ask(sandbox, "shrink", reach=reach, paths=[str(path) for path in paths], names=names, side=side, into=into)
    return [into / name for name in names]
