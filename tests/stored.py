"""Where something stands in the database, whatever the table or column."""

import asyncpg


async def tables_that_hold(database_url: str, text: str) -> list[str]:
    """Return the tables in which any row holds the text anywhere; the ledger of erasures alone may name the erased."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
        )
        names = [str(row["relname"]) for row in rows if row["relname"] != "erasures"]
        # Bytes are shown with the letters they hold, not as hex digits.
        await connection.execute("SET bytea_output = 'escape'")
        query = "SELECT EXISTS (SELECT FROM {} AS t WHERE strpos(t::text, $1) > 0)"
        return [name for name in names if await connection.fetchval(query.format(name), text)]
    finally:
        await connection.close()
