"""The first books: runs and their manifest, periods, controls, problems, and the append-only journal.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None

_FROZEN = ("journal_entries", "postings")


def upgrade() -> None:
    """Make the tables and the triggers that keep the journal append-only and balanced."""
    _runs()
    _of_a_run()
    _periods()
    _journal()
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def downgrade() -> None:
    """Refuse: books are never taken back."""
    raise NotImplementedError("books are append-only; restore a backup instead")


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("config_sha256", sa.Text, nullable=False),
        sa.Column("inputs_sha256", sa.Text),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("process", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
        sa.CheckConstraint("status IN ('running', 'done', 'failed', 'superseded')", name="ck_runs_status"),
    )


def _of_a_run() -> None:
    def table(name: str, *columns: sa.Column[object]) -> None:
        op.create_table(
            name,
            sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", name=f"fk_{name}_run_id"), nullable=False),
            sa.Column("seq", sa.Integer, nullable=False),
            *columns,
            sa.PrimaryKeyConstraint("run_id", "seq", name=f"pk_{name}"),
        )

    table(
        "inputs",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
    )
    table(
        "parts",
        sa.Column("table_name", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("control_sum", sa.Text),
        sa.Column("sha256", sa.Text, nullable=False),
    )
    table(
        "stage_controls",
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text),
        sa.Column("ok", sa.Boolean, nullable=False),
    )
    table(
        "problems",
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("place_file", sa.Text),
        sa.Column("place_line", sa.Integer),
        sa.Column("place_column", sa.Integer),
        sa.Column("place_row", sa.BigInteger),
        sa.Column("excerpt", sa.Text),
        sa.Column("amount", sa.Text),
        sa.Column("cure", sa.Text),
        sa.Column("held", sa.Boolean, nullable=False),
    )


def _periods() -> None:
    op.create_table(
        "period_pointers",
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", name="fk_period_pointers_run_id"), nullable=False),
        sa.Column("published_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("period", name="pk_period_pointers"),
    )
    op.create_table(
        "periods",
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Text, nullable=False),
        sa.Column("closed_at", sa.Text),
        sa.Column("closed_run_id", sa.Text, sa.ForeignKey("runs.run_id", name="fk_periods_closed_run_id")),
        sa.Column("closed_sha256", sa.Text),
        sa.PrimaryKeyConstraint("period", name="pk_periods"),
        sa.CheckConstraint("state IN ('open', 'closed')", name="ck_periods_state"),
    )


def _journal() -> None:
    entry = "journal_entries.entry_id"
    op.create_table(
        "journal_entries",
        sa.Column("entry_id", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("pool_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("memo", sa.Text, nullable=False),
        sa.Column("content_sha256", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", name="fk_journal_entries_run_id"), nullable=False),
        sa.Column("reverses_entry_id", sa.Text, sa.ForeignKey(entry, name="fk_journal_entries_reverses_entry_id")),
        sa.PrimaryKeyConstraint("entry_id", name="pk_journal_entries"),
        sa.UniqueConstraint("reverses_entry_id", name="uq_journal_entries_reverses_entry_id"),
        sa.CheckConstraint("status IN ('final', 'estimate')", name="ck_journal_entries_status"),
        sa.CheckConstraint("(kind = 'reversal') = (reverses_entry_id IS NOT NULL)", name="ck_journal_entries_reversal"),
    )
    op.create_index("ix_journal_entries_period_pool_id", "journal_entries", ["period", "pool_id"])
    op.create_table(
        "postings",
        sa.Column("posting_id", sa.Text, nullable=False),
        sa.Column(
            "entry_id",
            sa.Text,
            sa.ForeignKey(entry, name="fk_postings_entry_id", deferrable=True, initially="DEFERRED"),
            nullable=False,
        ),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("posting_id", name="pk_postings"),
    )
    op.create_index("ix_postings_entry_id", "postings", ["entry_id"])
    op.create_index("ix_postings_account", "postings", ["account"])


def _sqlite_triggers() -> None:
    for table in _FROZEN:
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
            )
    op.execute(
        "CREATE TRIGGER postings_sealed BEFORE INSERT ON postings"
        " WHEN EXISTS (SELECT 1 FROM journal_entries WHERE entry_id = NEW.entry_id)"
        " BEGIN SELECT RAISE(ABORT, 'the entry is sealed'); END"
    )
    op.execute(
        "CREATE TRIGGER journal_entries_balance BEFORE INSERT ON journal_entries"
        " WHEN (SELECT COUNT(*) = 0 OR SUM(amount_minor) <> 0 OR COUNT(DISTINCT currency) <> 1"
        " FROM postings WHERE entry_id = NEW.entry_id)"
        " BEGIN SELECT RAISE(ABORT, 'the entry does not balance'); END"
    )
    op.execute(
        "CREATE TRIGGER journal_entries_open BEFORE INSERT ON journal_entries"
        " WHEN EXISTS (SELECT 1 FROM periods WHERE period = NEW.period AND state = 'closed')"
        " BEGIN SELECT RAISE(ABORT, 'the period is closed'); END"
    )


def _postgresql_triggers() -> None:
    functions = {
        "refuse_change": "RAISE EXCEPTION '% are append-only', TG_TABLE_NAME;",
        "postings_sealed": (
            "IF EXISTS (SELECT 1 FROM journal_entries WHERE entry_id = NEW.entry_id) THEN"
            " RAISE EXCEPTION 'the entry is sealed'; END IF; RETURN NEW;"
        ),
        "journal_entries_sound": (
            "IF (SELECT COUNT(*) = 0 OR SUM(amount_minor) <> 0 OR COUNT(DISTINCT currency) <> 1"
            " FROM postings WHERE entry_id = NEW.entry_id) THEN"
            " RAISE EXCEPTION 'the entry does not balance'; END IF;"
            " IF EXISTS (SELECT 1 FROM periods WHERE period = NEW.period AND state = 'closed') THEN"
            " RAISE EXCEPTION 'the period is closed'; END IF; RETURN NEW;"
        ),
    }
    for name, body in functions.items():
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    for table in _FROZEN:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(
        "CREATE TRIGGER postings_sealed BEFORE INSERT ON postings FOR EACH ROW EXECUTE FUNCTION postings_sealed()"
    )
    op.execute(
        "CREATE TRIGGER journal_entries_sound BEFORE INSERT ON journal_entries"
        " FOR EACH ROW EXECUTE FUNCTION journal_entries_sound()"
    )
