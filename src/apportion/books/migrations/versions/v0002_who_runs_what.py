"""Who runs which periods, so that no two runs work on the same one at once; which runs' files were given up.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Runs say for which periods they work, who began them, and when their files were given up."""
    op.add_column("runs", sa.Column("scope", sa.Text))
    op.add_column("runs", sa.Column("holder", sa.Text))
    op.add_column("runs", sa.Column("expired_at", sa.Text))


def downgrade() -> None:
    """Refuse: books are never taken back."""
    raise NotImplementedError("books are append-only; restore a backup instead")
