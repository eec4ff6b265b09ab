"""Keys of the gateway.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Changes of keys, which are only ever added to."""
    op.create_table(
        "key_changes",
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("says", sa.Text, nullable=False),
        sa.Column("secret_sha256", sa.Text),
        sa.Column("others_until", sa.Text),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_key_changes"),
        sa.UniqueConstraint("secret_sha256", name="uq_key_changes_secret_sha256"),
        sa.CheckConstraint("kind IN ('create', 'change', 'rotate', 'revoke')", name="ck_key_changes_kind"),
        sa.CheckConstraint(
            "(kind IN ('create', 'rotate')) = (secret_sha256 IS NOT NULL)", name="ck_key_changes_secret"
        ),
    )
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER key_changes_no_{event.lower()} BEFORE {event} ON key_changes"
                " BEGIN SELECT RAISE(ABORT, 'changes of keys are append-only'); END"
            )
        return
    op.execute(
        "CREATE TRIGGER key_changes_append_only BEFORE UPDATE OR DELETE ON key_changes"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER key_changes_no_truncate BEFORE TRUNCATE ON key_changes"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Refuse: books are never taken back."""
    raise NotImplementedError("books are append-only; restore a backup instead")
