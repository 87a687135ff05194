"""What a request will cost, from the probe alone: who would be called, how often, with how much. Rather more than less:
all of the sound counts as speech, and answers as long as they may be."""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec import Struct

from mediaanalysis.analysis.answering import asking, material
from mediaanalysis.analysis.answering.material import Line
from mediaanalysis.analysis.answering.plan import plan
from mediaanalysis.analysis.listening.plan import LONGEST_SECONDS, SECONDS_SHARE
from mediaanalysis.analysis.money import prices
from mediaanalysis.errors import BudgetError
from mediaanalysis.providers import Providers
from mediaanalysis.providers.catalogue import LOCAL, Operation
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.costs import cost_usd
from mediaanalysis.providers.wire import Metered
from mediaanalysis.structs.media import MediaProbe
from mediaanalysis.structs.requests import Config, MediaType, Options

SPOKEN_TOKENS_PER_SECOND = 4.5
"""Of a transcript in lines, with their times."""
SHOWN_TOKENS_PER_FRAME = 80
TOKENS_PER_PAGE = 800
BYTES_PER_TOKEN = 3
MOST_DOCUMENT_TOKENS = 700_000
WORD = "word "
WORD_TOKENS = material.tokens(WORD * 1000) / 1000


class Wish(Struct, frozen=True):
    """Of a request, what its cost depends on. `transcribed`: that is already done."""

    prompt: str
    config: Config
    options: Options
    transcribed: bool = False


class Item(Struct, frozen=True, kw_only=True):
    """The calls of one operation. `cost_usd` None: the price is unknown. `price_date`: as of when it is known."""

    operation: Operation
    provider: str
    model: str
    calls: int
    audio_seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None
    price_date: str | None


class Estimate(Struct, frozen=True):
    """`cost_usd` None: unknown, because a price is."""

    items: tuple[Item, ...]

    @property
    def cost_usd(self) -> float | None:
        costs = [item.cost_usd for item in self.items if item.cost_usd is not None]
        return round(sum(costs), 6) if len(costs) == len(self.items) else None

    def require(self, limit_usd: float) -> None:
        """Raise BudgetError where it comes to more, or nobody knows to how much."""
        if self.cost_usd is None:
            unknown = ", ".join(f"{one.provider}/{one.model}" for one in self.items if one.cost_usd is None)
            detail = f"The price of {unknown} is not known, so max_cost_usd {limit_usd:g} cannot be kept to"
            raise BudgetError(f"{detail}: name another model, or leave the limit out.")
        if self.cost_usd > limit_usd:
            parts = ", ".join(f"{one.provider}/{one.model} {one.cost_usd:.6f}" for one in self.items)
            detail = f"It may cost {self.cost_usd:.6f} USD ({parts}), and max_cost_usd is {limit_usd:g}"
            raise BudgetError(f"{detail}: nothing was spent. Allow more, or ask for less.")


def estimate(providers: Providers, probe: MediaProbe, wish: Wish) -> Estimate:
    """Of whoever is asked first. Raises RequestError or ProviderError where nobody can be."""
    return Estimate(tuple(_items(providers, probe, wish)))


def _items(providers: Providers, probe: MediaProbe, wish: Wish) -> Iterator[Item]:
    seconds = _sound_seconds(probe, wish)
    if seconds and not wish.transcribed:
        yield _hearing(providers.transcription_chain(wish.config)[0], seconds)
    pictures = _pictures(probe, wish)
    yield _answering(providers.answer_chain(wish.config, pictures=bool(pictures))[0], probe, wish, pictures)


def _sound_seconds(probe: MediaProbe, wish: Wish) -> float:
    return (probe.duration_seconds or 0.0) if probe.audio and wish.options.transcribe_audio else 0.0


def _pictures(probe: MediaProbe, wish: Wish) -> int:
    if probe.video is None or not wish.options.extract_frames:
        return 0
    most = (probe.pictures or 1) if probe.media_type is MediaType.IMAGE else wish.options.frame_count
    return min(wish.options.frame_count, most)


def _hearing(candidate: Candidate, seconds: float) -> Item:
    longest = min(LONGEST_SECONDS, SECONDS_SHARE * (candidate.model.max_seconds or math.inf))
    calls = 1 if candidate.provider == LOCAL else math.ceil(seconds / longest)
    taken = prices.of_sound(seconds / calls)
    return _item(candidate, calls, [taken] * calls)


def _answering(candidate: Candidate, probe: MediaProbe, wish: Wish, pictures: int) -> Item:
    if candidate.provider == LOCAL:
        return _item(candidate, 1, [Metered(input_tokens=0, output_tokens=0, seconds=0.0)])
    tokens, model, limit = _material_tokens(probe, wish, pictures), candidate.model, wish.config.max_tokens
    stand_in = [Line("transcript", WORD * round(tokens / WORD_TOKENS))] if tokens else []
    planned = plan(wish.prompt, stand_in, pictures, [model], limit)
    framing = material.tokens(asking.ROLE) + material.tokens(asking.ANSWER_FORM) + material.tokens(wish.prompt) + 100
    looks = planned.pictures * prices.of_picture(model)
    if planned.at_once:
        return _item(candidate, 1, [prices.of_message(framing + looks + tokens, model, limit)])
    count, note = len(planned.parts), planned.note_tokens
    notes = [prices.of_message(framing + tokens // count, model, 2 * note)] * count
    return _item(candidate, count + 1, [*notes, prices.of_message(framing + looks + count * note, model, limit)])


def _material_tokens(probe: MediaProbe, wish: Wish, pictures: int) -> int:
    """Of all that will have been heard and read."""
    if probe.media_type is MediaType.DOCUMENT:
        by_size = probe.size_bytes // BYTES_PER_TOKEN
        return min(MOST_DOCUMENT_TOKENS, by_size if probe.pages is None else probe.pages * TOKENS_PER_PAGE)
    spoken = _sound_seconds(probe, wish) * SPOKEN_TOKENS_PER_SECOND
    return round(spoken + (pictures * SHOWN_TOKENS_PER_FRAME if wish.options.read_text else 0))


def _item(candidate: Candidate, calls: int, taken: list[Metered]) -> Item:
    price = candidate.model.price
    costs = [cost_usd(price, one) for one in taken]
    known = [one for one in costs if one is not None]
    return Item(
        operation=candidate.model.operation,
        provider=candidate.provider,
        model=candidate.model.name,
        calls=calls,
        audio_seconds=round(sum(one.seconds or 0.0 for one in taken), 3),
        input_tokens=sum(one.input_tokens or 0 for one in taken),
        output_tokens=sum(one.output_tokens or 0 for one in taken),
        cost_usd=round(sum(known), 6) if len(known) == len(costs) else None,
        price_date=price.date if price else None,
    )
