"""All measurements, one after the other: `make bench`, or `python -m tests.bench media queue web`."""

from __future__ import annotations

import subprocess
import sys

PARTS = {
    "media": "frames and a contact sheet of a ten minute film, against the best single ffmpeg command",
    "providers": "what a call of a provider costs this process; a talk of an hour",
    "service": "memory at rest, the longest block of the event loop under work, 2 GB through the front door",
    "web": "accepting, polling and history, against floors",
    "load": "a hundred users: submit, poll, history, delete; without keys and with one",
    "outage": "the same with the database killed and restarted: what is lost, and how soon it is back",
    "polls": "how many polls the cache answers",
    "memory": "10,000 analyses: does it stay flat, is anything left (ten minutes)",
    "queue": "jobs, pick-up, claims and rescue, against a floor and peers",
}


def main() -> int:
    """Each part in a process of its own, so that none warms or burdens the next."""
    failed = 0
    for part in sys.argv[1:] or PARTS:
        print(f"\n== {part}: {PARTS[part]}", flush=True)
        failed += subprocess.call([sys.executable, "-m", f"tests.bench.{part}"]) != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
