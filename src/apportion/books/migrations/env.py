"""What Alembic runs: every step not yet taken, inside the transaction of the caller."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from apportion.books.schema import METADATA


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


_migrate(context.config.attributes["connection"])
