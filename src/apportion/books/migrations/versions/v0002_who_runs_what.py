"""Who runs which periods, which runs' files were given up, and what slices of calls became.

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
    op.create_table(
        "folds",
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", name="fk_folds_run_id_runs"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("source_rows", sa.BigInteger, nullable=False),
        sa.Column("repeated_rows", sa.BigInteger, nullable=False),
        sa.Column("paths", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_folds"),
    )


def downgrade() -> None:
    """Refuse: books are never taken back."""
    raise NotImplementedError("books are append-only; restore a backup instead")
