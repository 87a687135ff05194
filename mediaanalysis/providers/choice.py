"""Who may be tried, in which order, and which of their models can do what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from mediaanalysis.errors import ProviderError, RequestError
from mediaanalysis.providers.catalogue import LOCAL, Model, Operation, Provider
from mediaanalysis.providers.credentials import Vendors


class Candidate(Struct, frozen=True):
    """A provider's model that is configured."""

    provider: str
    model: Model

    @property
    def label(self) -> str:
        return f"{self.provider}/{self.model.name}"


class Wanted(Struct, frozen=True):
    """Who a request names. `pointer` is where its body names the provider, `model_pointer` the model."""

    operation: Operation
    provider: str | None
    model: str | None
    pointer: str
    model_pointer: str


class Needs(Struct, frozen=True):
    """What a model must do: take the language, the bytes, the seconds. What it had better do: words, pictures."""

    language: str | None = None
    size_bytes: int = 0
    seconds: float = 0
    words: bool = False
    pictures: bool = False

    def unmet(self, model: Model) -> str | None:
        """Why a model cannot, in words; None where it can."""
        if not model.speaks(self.language):
            return f"takes no {self.language}, but {', '.join(sorted(model.languages or ()))}"
        if model.max_bytes is not None and self.size_bytes > model.max_bytes:
            return f"takes at most {model.max_bytes} bytes"
        if model.max_seconds is not None and self.seconds > model.max_seconds:
            return f"takes at most {model.max_seconds:g} s"
        return None

    def shortcomings(self, model: Model) -> int:
        """How many of the wishes a model cannot fulfil."""
        return (self.words and not model.words) + (self.pictures and not model.sees)


def offered(vendors: Vendors, wanted: Wanted, *, day: str | None = None) -> list[list[Candidate]]:
    """Who may be tried, in order: for each provider its models, the default first. Never empty.

    Raises RequestError unknown_provider or invalid_value, which names what is available.
    """
    groups = [
        [Candidate(provider.name, model) for model in _models(provider, wanted, pinned, day)]
        for provider, pinned in _providers(vendors, wanted)
    ]
    found = [group for group in groups if group]
    if not found:
        models = [one.name for provider, _ in _providers(vendors, wanted) for one in provider.listed(wanted.operation)]
        detail = f"{wanted.model} is no model for {wanted.operation} that is available: use one of {', '.join(models)}"
        raise RequestError(detail, pointer=wanted.model_pointer)
    return found


def _providers(vendors: Vendors, wanted: Wanted) -> list[tuple[Provider, str | None]]:
    """Those set up for the operation, with the model the order names; the one that is wanted, if one is."""
    known = {one.name: one for one in vendors.catalogue.providers}
    ready = [name for name in [*vendors.accounts, LOCAL] if known[name].protocol(wanted.operation)]
    if wanted.provider is not None:
        if wanted.provider not in ready:
            detail = f"{wanted.provider} is not available for {wanted.operation}: use one of {', '.join(ready)}"
            raise RequestError(detail, code="unknown_provider", pointer=wanted.pointer)
        return [(known[wanted.provider], None)]
    order = vendors.order.get(wanted.operation) or ((LOCAL, None),)
    if wanted.model is None:
        return [(known[name], model) for name, model in order]
    others = [name for name in ready if name not in {name for name, _ in order}]
    return [(known[name], None) for name in dict.fromkeys([*(name for name, _ in order), *others])]


def _models(provider: Provider, wanted: Wanted, pinned: str | None, day: str | None) -> list[Model]:
    name = wanted.model or pinned
    today = day or datetime.now(UTC).date().isoformat()
    living = [model for model in provider.listed(wanted.operation) if model.lives(today)]
    if name is None:
        return living
    listed = [model for model in living if model.name == name]
    if listed or not provider.any_model or (wanted.model and wanted.provider is None):
        return listed
    return [Model(name, wanted.operation, sees=True)]


def capable(groups: Sequence[Sequence[Candidate]], needs: Needs) -> list[Candidate]:
    """Of each provider the model that fits best, those with fewest shortcomings first; never empty.

    Raises ProviderError provider_rejected, which says what each cannot.
    """
    fitting = [[one for one in group if needs.unmet(one.model) is None] for group in groups]
    best = [min(group, key=lambda one: needs.shortcomings(one.model)) for group in fitting if group]
    if not best:
        reasons = "; ".join(f"{group[0].label} {needs.unmet(group[0].model)}" for group in groups)
        asked = f"the language {needs.language}" if needs.language else "this input"
        raise ProviderError(
            f"nobody available takes {asked}: {reasons}", provider=groups[0][0].provider, code="provider_rejected"
        )
    return sorted(best, key=lambda one: needs.shortcomings(one.model))
