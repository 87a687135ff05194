"""Messages to models, each a checkpoint: a reply that cannot be read is mended once by the model that gave it, and then
the next one is asked. All of that is bounded, and all of it is on record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mediaanalysis.analysis.answering import asking
from mediaanalysis.analysis.answering.material import tokens
from mediaanalysis.analysis.answering.reading import UnreadableReply
from mediaanalysis.analysis.context import Context
from mediaanalysis.analysis.money import prices
from mediaanalysis.analysis.money.spending import reserved
from mediaanalysis.analysis.parts import Part, pass_part
from mediaanalysis.errors import ProviderError
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.wire import Message, Metered, Reply
from mediaanalysis.structs.usage import Call

Read = TypeVar("Read")

REPAIRED_CHARACTERS = 100_000
"""Of a reply that cannot be read; what is longer is not worth its price."""


class Understood(Struct, frozen=True):
    """A reply that was read, and who gave it."""

    reading: Any
    provider: str
    model: str


async def converse(
    context: Context, part: Part, message: Message, chain: Sequence[Candidate], read: Callable[[str], Read]
) -> tuple[Read, Understood]:
    """The reply to a message, as `read` understands it: kept from an earlier attempt, or asked for now."""

    async def run(calls: list[Call]) -> Understood:
        return await _Talk(context, message, read, calls).through(chain)

    understood = await pass_part(context, part, Understood, run)
    return understood.reading, understood


class _Talk:
    """One message under way; `calls` gets all that it takes."""

    def __init__(self, context: Context, message: Message, read: Callable[[str], Any], calls: list[Call]) -> None:
        self._context = context
        self._message = message
        self._read = read
        self._calls = calls

    async def through(self, chain: Sequence[Candidate]) -> Understood:
        """Raises ProviderError where nobody gives a reply that can be read."""
        left = list(chain)
        while True:
            reply = await self._say(self._message, left)
            try:
                return self._understood(reply)
            except UnreadableReply as fault:
                giver = [one for one in left if (one.provider, one.model.name) == (reply.provider, reply.model)]
                understood = await self._mended(reply, str(fault), giver)
            if understood is not None:
                return understood
            left = [one for one in left if one not in giver]
            if not left:
                detail = f"{reply.provider}/{reply.model}: the reply could not be read, not even after it was mended"
                raise ProviderError(detail, provider=reply.provider)

    async def _mended(self, reply: Reply, fault: str, giver: Sequence[Candidate]) -> Understood | None:
        """None: it did not help."""
        asked = asking.for_repair(reply.text[:REPAIRED_CHARACTERS], fault)
        message = replace(self._message, instructions=asked.instructions, text=asked.text, images=())
        try:
            return self._understood(await self._say(message, giver))
        except (UnreadableReply, ProviderError):
            return None

    async def _say(self, message: Message, chain: Sequence[Candidate]) -> Reply:
        async with reserved(self._context, chain, self._size(message, chain)) as able:
            return await self._context.services.providers.say(message, able, self._calls, self._context.job)

    def _size(self, message: Message, chain: Sequence[Candidate]) -> Metered:
        """At most, by the dearest of them."""
        said = tokens(message.instructions) + tokens(message.text)
        models = [one.model for one in chain]
        looks = len(message.images) * max(prices.of_picture(model) for model in models)
        return max(
            (prices.of_message(said + looks, model, message.max_tokens) for model in models),
            key=lambda metered: metered.output_tokens or 0,
        )

    def _understood(self, reply: Reply) -> Understood:
        return Understood(self._read(reply.text), reply.provider, reply.model)
