# A hundred users for a minute against your own installation, who submit, poll, read their history and delete:
#
#   pip install --constraint deploy/constraints.txt locust
#   API_KEY=ma_… locust --headless -u 100 -r 100 -t 1m -f deploy/locustfile.py --host http://localhost:8000
#
# API_KEY: a key with the scopes read and write (mediaanalysis keys create load --rate submit=0,poll=0,active=0); leave
# it out where no key is asked for. MEDIA_URL: what they submit. Each user deletes what he made, also when he stops; but
# the workers of the installation do fetch and analyse it meanwhile, unless none runs (WORKER_SLOTS=0).
"""Locust's users are Python: they need a core of their own for each thousand requests per second or so."""

from __future__ import annotations

import os
import random

from locust import HttpUser, between, task

API = "/api/media"
MEDIA_URL = os.environ.get("MEDIA_URL", "http://example.com/a.mp4")
KEPT = 5
ASKED_AGAIN_SECONDS = 1


class Caller(HttpUser):
    """Follows his latest analyses, deletes the older ones."""

    wait_time = between(0, ASKED_AGAIN_SECONDS)

    def on_start(self) -> None:
        self.analyses: list[str] = []
        self.known: dict[str, str] = {}
        if key := os.environ.get("API_KEY"):
            self.client.headers["authorization"] = f"Bearer {key}"
        self.submit()

    def on_stop(self) -> None:
        for analysis_id in self.analyses:
            self.client.delete(f"{API}/{analysis_id}", name=f"{API}/{{id}}")

    @task(2)
    def submit(self) -> None:
        number = random.randrange(1_000_000)  # noqa: S311
        asked = {"prompt": f"What is said, and what is shown? ({number})", "media_url": MEDIA_URL}
        with self.client.post(f"{API}/analyze", json=asked, catch_response=True) as answer:
            if answer.status_code == 202:
                self.analyses.append(answer.json()["analysis_id"])

    @task(14)
    def poll(self) -> None:
        """As a client should: with the tag of what it knows."""
        if self.analyses:
            analysis_id = random.choice(self.analyses)  # noqa: S311
            headers = {"if-none-match": self.known[analysis_id]} if analysis_id in self.known else {}
            answer = self.client.get(f"{API}/status/{analysis_id}", headers=headers, name=f"{API}/status/{{id}}")
            if answer.status_code == 200:
                self.known[analysis_id] = answer.headers["etag"]

    @task(2)
    def read_history(self) -> None:
        self.client.get(f"{API}/history")

    @task(2)
    def delete(self) -> None:
        if len(self.analyses) > KEPT:
            analysis_id = self.analyses.pop(0)
            self.known.pop(analysis_id, None)
            self.client.delete(f"{API}/{analysis_id}", name=f"{API}/{{id}}")
