"""What an analysis may spend: looked at before each call, so that what would cost too much is not begun."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from mediaanalysis.analysis.context import Context
from mediaanalysis.errors import BudgetError
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.costs import cost_usd
from mediaanalysis.providers.wire import Metered
from mediaanalysis.store import provider_calls


@asynccontextmanager
async def reserved(context: Context, chain: Sequence[Candidate], metered: Metered) -> AsyncIterator[list[Candidate]]:
    """Those of the chain who may be given a call of this size; its price is set aside while inside.

    Without `max_cost_usd` that is everybody. Raises BudgetError where it leaves nobody: nothing is sent then.
    """
    limit_usd = context.analysis.config.max_cost_usd
    if limit_usd is None:
        yield list(chain)
        return
    async with context.purse.lock:
        left_usd = await _left_usd(context, limit_usd)
        able = affordable(chain, metered, left_usd)
        if not able:
            raise refusal(chain, metered, limit_usd, left_usd)
        price_usd = max(cost_usd(one.model.price, metered) or 0.0 for one in able)
        context.purse.reserved_usd += price_usd
    try:
        yield able
    finally:
        context.purse.reserved_usd -= price_usd


async def _left_usd(context: Context, limit_usd: float) -> float:
    """What is neither spent, by any attempt, nor set aside."""
    spent = await provider_calls.sum_spent(context.db, context.analysis.id)
    return limit_usd - spent.cost_usd - context.purse.reserved_usd


def affordable(chain: Sequence[Candidate], metered: Metered, left_usd: float) -> list[Candidate]:
    """Those whose price is known, and not above what is left."""
    prices = [(one, cost_usd(one.model.price, metered)) for one in chain]
    return [one for one, price in prices if price is not None and price <= left_usd + 1e-9]


def refusal(chain: Sequence[Candidate], metered: Metered, limit_usd: float, left_usd: float) -> BudgetError:
    """Who would cost how much, and how much is left."""
    prices = [(one.label, cost_usd(one.model.price, metered)) for one in chain]
    said = ", ".join(f"{name} {'at an unknown price' if usd is None else f'for {usd:.6f} USD'}" for name, usd in prices)
    left = f"{max(0.0, left_usd):.6f} of max_cost_usd {limit_usd:g} are left"
    return BudgetError(f"It would be done by {said}, but {left}: nothing was sent. Allow more, or name another model.")
