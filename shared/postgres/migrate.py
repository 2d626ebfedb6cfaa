"""Brings a database to the newest schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config

import deploy.migrations
from shared.settings import SettingsError


def upgrade(database_url: str, revision: str = "head") -> None:
    """Run every migration up to `revision`; safe to call from several processes at once, a no-op when up to date.

    Blocking: call it through `asyncio.to_thread` from a running event loop.
    """
    command.upgrade(migration_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Undo migrations down to `revision`, tables and rows included."""
    command.downgrade(migration_config(database_url), revision)


def migration_config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(next(iter(deploy.migrations.__path__)))))
    config.attributes["database_url"] = sqlalchemy_url(database_url)
    return config


def sqlalchemy_url(database_url: str) -> str:
    """Return the same address naming the asyncpg driver, as SQLAlchemy wants it. Raises SettingsError."""
    scheme, separator, rest = database_url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres"}:
        raise SettingsError("a database address starts with postgresql://")
    return f"postgresql+asyncpg://{rest}"
