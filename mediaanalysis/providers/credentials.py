"""Who is set up: keys and addresses of providers by the usual variables, read from the environment once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from mediaanalysis.errors import ConfigurationError
from mediaanalysis.providers import catalogue
from mediaanalysis.providers.catalogue import LOCAL, Catalogue, Model, Operation, Provider
from mediaanalysis.settings import Variable, read

COMPATIBLE = "compatible"
VERTEX = "vertex"

ORDERS = {
    Operation.TRANSCRIPTION: Variable(
        "TRANSCRIPTION_PROVIDERS", "who listens: provider or provider/model, comma separated, first to last"
    ),
    Operation.ANSWER: Variable(
        "ANSWER_PROVIDERS", "who answers: provider or provider/model, comma separated, first to last"
    ),
}
FILE = Variable("PROVIDERS_FILE", "TOML that adds or changes providers, models and prices")
COMPATIBLE_MODELS = {
    Operation.ANSWER: Variable("COMPATIBLE_MODEL", "model of that server that answers"),
    Operation.TRANSCRIPTION: Variable("COMPATIBLE_TRANSCRIPTION_MODEL", "model of that server that transcribes"),
}
PROJECT = Variable("GOOGLE_CLOUD_PROJECT", "Google Cloud project for Vertex AI")
LOCATION = Variable("GOOGLE_CLOUD_LOCATION", "Vertex AI location: global, eu, us or a region; default: global")
LOGIN = Variable("GOOGLE_APPLICATION_CREDENTIALS", "file with the service account for Vertex AI")
USE_VERTEX = Variable("GOOGLE_GENAI_USE_VERTEXAI", "true: Vertex AI with this machine's own login, without a file")


class Google(Struct, frozen=True):
    """A project on Vertex AI. `login` None: this machine's own (metadata server, gcloud)."""

    project: str
    location: str
    login: Path | None = None


class Account(Struct, frozen=True):
    """A provider that is set up. `base_url` has no slash at its end."""

    provider: Provider
    base_url: str
    key: str | None = None
    google: Google | None = None

    def __repr__(self) -> str:
        return f"Account({self.provider.name}, {self.base_url})"


class Vendors(Struct, frozen=True):
    """`order`: whose turn comes first where a request names nobody, by operation: provider, and model or None."""

    catalogue: Catalogue
    accounts: dict[str, Account] = {}
    order: dict[Operation, tuple[tuple[str, str | None], ...]] = {}


def nobody() -> Vendors:
    """No vendor at all: the local provider does everything."""
    return Vendors(catalogue.load())


def variables(known: Catalogue | None = None) -> tuple[Variable, ...]:
    """All that is read, in the order of `deploy/env.example`."""
    known = known or catalogue.load()
    vendors = [variable for provider in known.providers for variable in _variables(provider)]
    return (*ORDERS.values(), FILE, *vendors, *COMPATIBLE_MODELS.values(), PROJECT, LOCATION, LOGIN, USE_VERTEX)


def _variables(provider: Provider) -> Iterator[Variable]:
    for name in provider.keys:
        yield Variable(name, f"key of {provider.name}", secret=True)
    if provider.base_url_variable:
        where = f"default: {provider.base_url}" if provider.base_url else "none: not used"
        yield Variable(provider.base_url_variable, f"address of {provider.name}; {where}")


def load(environ: Mapping[str, str] | None = None) -> Vendors:
    """Read the environment. Raises ConfigurationError naming the variable."""
    environ = os.environ if environ is None else environ
    changes = read(environ, FILE)
    known = _with_compatible_models(catalogue.load(Path(changes).expanduser() if changes else None), environ)
    accounts = {
        provider.name: account
        for provider in known.providers
        if provider.name != LOCAL and (account := _account(provider, environ))
    }
    vendors = Vendors(known, accounts)
    orders = {operation: _order(operation, vendors, environ) for operation in Operation}
    return msgspec.structs.replace(vendors, order=orders)


def _account(provider: Provider, environ: Mapping[str, str]) -> Account | None:
    """None where it is not set up."""
    if provider.name == VERTEX:
        return _vertex(provider, environ)
    named = read(environ, Variable(provider.base_url_variable, "")) if provider.base_url_variable else None
    base_url = named or provider.base_url
    keys = (read(environ, Variable(name, "", secret=True)) for name in provider.keys)
    key = next((key for key in keys if key), None)
    keyless = not provider.keys or provider.key_optional
    if base_url is None or (key is None and not keyless):
        return None
    return Account(provider, _checked_url(provider, base_url), _checked_key(provider, key))


def _vertex(provider: Provider, environ: Mapping[str, str]) -> Account | None:
    project, login = read(environ, PROJECT), read(environ, LOGIN)
    own = (read(environ, USE_VERTEX) or "").lower() in {"1", "true", "yes"}
    if not project or not (login or own):
        return None
    location = read(environ, LOCATION) or "global"
    for variable, value in ((PROJECT, project), (LOCATION, location)):
        if not re.fullmatch(r"[a-z0-9][a-z0-9.:-]{0,62}", value):
            raise ConfigurationError(f"{variable.name}={value!r}: expected lower-case letters, digits and hyphens")
    google = Google(project, location, Path(login).expanduser() if login else None)
    named = read(environ, Variable(provider.base_url_variable, "")) if provider.base_url_variable else None
    return Account(provider, _checked_url(provider, named or f"https://{_vertex_host(location)}/v1"), google=google)


def _vertex_host(location: str) -> str:
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in {"us", "eu"}:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _checked_url(provider: Provider, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or "@" in parts.netloc:
        name = provider.base_url_variable or "PROVIDERS_FILE"
        raise ConfigurationError(f"{name}: expected http(s)://host/path without a login or a query")
    return url.rstrip("/")


def _checked_key(provider: Provider, key: str | None) -> str | None:
    """A key goes into a header: a stray line break would be refused deep inside a call, or worse."""
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigurationError(f"{' or '.join(provider.keys)}: the key holds a space or a character that no key has")
    return key


def _with_compatible_models(known: Catalogue, environ: Mapping[str, str]) -> Catalogue:
    provider = known.find(COMPATIBLE)
    if provider is None:
        return known
    models = provider.models
    for operation, variable in COMPATIBLE_MODELS.items():
        name = read(environ, variable)
        if name:
            listed = [one for one in models if (one.name, one.operation) == (name, operation)]
            first = listed[0] if listed else _unlisted(name, operation)
            models = (first, *(one for one in models if one not in listed))
    changed = msgspec.structs.replace(provider, models=models)
    others = [changed if one is provider else one for one in known.providers]
    return msgspec.structs.replace(known, providers=tuple(others))


def _unlisted(name: str, operation: Operation) -> Model:
    """What is likely of a model nobody described; PROVIDERS_FILE may describe it."""
    if operation is Operation.TRANSCRIPTION:
        return Model(name, operation, words=True)
    return Model(name, operation, sees=True, max_images=16)


def _order(operation: Operation, vendors: Vendors, environ: Mapping[str, str]) -> tuple[tuple[str, str | None], ...]:
    """As the setting says; else all that are set up, in the catalogue's order, and without any the local provider."""
    text = read(environ, ORDERS[operation])
    if text is None:
        names = vendors.catalogue.order.get(operation, ())
        rest = [name for name in vendors.accounts if name not in names]
        return tuple((name, None) for name in [*names, *rest] if _offers(vendors, name, operation)) or ((LOCAL, None),)
    entries = [part.strip().partition("/") for part in text.split(",") if part.strip()]
    for name, _, model in entries:
        _check_entry(operation, vendors, name, model)
    return tuple((name, model or None) for name, _, model in entries)


def _offers(vendors: Vendors, name: str, operation: Operation) -> bool:
    account = vendors.accounts.get(name)
    return account is not None and bool(account.provider.protocol(operation) and account.provider.listed(operation))


def _check_entry(operation: Operation, vendors: Vendors, name: str, model: str) -> None:
    variable, provider = ORDERS[operation].name, vendors.catalogue.find(name)
    if provider is None or provider.protocol(operation) is None:
        raise ConfigurationError(f"{variable}: {name} is not known for {operation}")
    if name != LOCAL and name not in vendors.accounts:
        missing = " or ".join(provider.keys) or provider.base_url_variable or PROJECT.name
        raise ConfigurationError(f"{variable} names {name}, but {missing} is not set")
    names = [one.name for one in provider.listed(operation)]
    if model and model not in names and not provider.any_model:
        raise ConfigurationError(f"{variable}: {name} has no {model} for {operation}; it has {', '.join(names)}")
