"""`pulseline prepare`: brings a database and a Kafka of one's own to what the services expect."""

import asyncio
from typing import Annotated

import typer


def prepare(
    admin_key: Annotated[bool, typer.Option("--admin-key", help="Also make an admin key and print it, once.")] = False,
) -> None:
    """Migrate the database and create the topics that PULSELINE_* settings name; safe to repeat."""
    import asyncpg

    from services.api.auth.store import create_admin_key
    from shared.errors import Unavailable
    from shared.kafka.topics_admin import ensure_topics
    from shared.postgres.migrate import upgrade
    from shared.postgres.pool import with_password_file
    from shared.settings import ServiceSettings, read_settings

    settings = read_settings(ServiceSettings)
    database_url = with_password_file(settings.database_url.get_secret_value(), settings.database_password_file)
    try:
        upgrade(database_url)
    except (OSError, asyncpg.PostgresError) as error:
        raise Unavailable("postgresql", str(error)) from error
    typer.echo("database schema is up to date")
    asyncio.run(
        ensure_topics(settings.kafka_bootstrap, settings.topic_prefix, settings.partitions, settings.replication)
    )
    typer.echo("topics are there")
    if admin_key:
        typer.echo(asyncio.run(create_admin_key(database_url)))
