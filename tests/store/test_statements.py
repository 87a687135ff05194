"""Every block of `sql/`: PostgreSQL accepts it, and its parameter line tells the truth."""

from __future__ import annotations

import pytest

from mediaanalysis import resources
from mediaanalysis.errors import ConfigurationError
from mediaanalysis.store import statements
from mediaanalysis.store.pool import Pool
from mediaanalysis.store.statements import Parameter, Statement

BLOCKS = {
    f"{path.stem}.{name}": block
    for path in sorted(resources.folder("sql").glob("*.sql"))
    for name, block in statements.load(path.stem).blocks.items()
}
GOOD = "-- prose\n\n-- name: read_one\n-- Reads one.\n-- $1 id uuid,\n-- $2 names text[]\nselect 1;\n"


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
async def test_block_is_accepted_and_its_parameters_are_as_written(db: Pool, block: Statement) -> None:
    async with db.acquire() as connection:
        prepared = await connection.prepare(block.sql)
        declared = await connection.fetch(
            "select named::regtype::oid::int from unnest($1::text[]) named", [p.type for p in block.parameters]
        )
        assert [parameter.oid for parameter in prepared.get_parameters()] == [oid for (oid,) in declared]


def test_block_has_purpose_parameters_and_its_name_in_front() -> None:
    block = statements.parse(GOOD, "x.sql")["read_one"]
    assert block.purpose == "Reads one."
    assert block.parameters == (Parameter("id", "uuid"), Parameter("names", "text[]"))
    assert block.sql == "-- read_one\nselect 1"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD + GOOD, "read_one stands there twice"),
        ("select 1;", "holds no block"),
        ("-- name: Read One\n-- x\nselect 1", "'Read One' is no name"),
        ("-- name: read_one\nselect 1", "lacks its purpose"),
        ("-- name: read_one\n-- Reads one.\n", "lacks its statement"),
        (GOOD.replace("$2", "$3"), "parameter '$3 names text[]', expected '$2 name type'"),
        (GOOD.replace(" uuid", ""), "parameter '$1 id'"),
    ],
)
def test_badly_written_file_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        statements.parse(text, "x.sql")
    assert complaint in caught.value.detail
    assert caught.value.detail.startswith("x.sql: ")


def test_missing_file_and_missing_block() -> None:
    with pytest.raises(ConfigurationError):
        statements.load("nothing")
    with pytest.raises(AttributeError):
        _ = statements.load("analyses").nothing
