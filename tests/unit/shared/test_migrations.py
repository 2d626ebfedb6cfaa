"""Migrations follow each other in one line; two that were written at the same time would stop every start."""

from alembic.script import ScriptDirectory

from shared.postgres.migrate import migration_config


def test_migrations_make_one_line_in_the_order_of_their_names() -> None:
    script = ScriptDirectory.from_config(migration_config("postgresql://nowhere/none"))

    names = [revision.path.rpartition("/")[2] for revision in script.walk_revisions()]

    assert names == sorted(names, reverse=True)
    assert len({name[:4] for name in names}) == len(names)
