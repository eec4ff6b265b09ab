"""The tables of the books, for SQLite and PostgreSQL alike.

Instants are text in ISO 8601, UTC, so that both databases sort and print them alike. Sums that may pass 64
bits are text. The migrations make these tables; a test holds the two together.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# One pass over the inputs; it is current where a period points to it.
runs = Table(
    "runs",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("status", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("config_sha256", Text, nullable=False),
    Column("inputs_sha256", Text),
    Column("engine", Text, nullable=False),
    Column("note", Text),
    # Who does it, to tell a killed run from one at work.
    Column("host", Text, nullable=False),
    Column("process", BigInteger, nullable=False),
    # The period that it works for, `*` for all of them; no two runs at work share one.
    Column("scope", Text),
    Column("holder", Text),
    # When its files were given up; what the books say of it stays.
    Column("expired_at", Text),
    CheckConstraint("status IN ('running', 'done', 'failed', 'superseded')", name="status"),
)

# The files that a run read.
inputs = Table(
    "inputs",
    METADATA,
    Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
)

# The manifest: exactly these files are the run's tables.
parts = Table(
    "parts",
    METADATA,
    Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("table_name", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("control_sum", Text),
    Column("sha256", Text, nullable=False),
)

# What slices of calls became, where nothing of them was set aside; `paths` is a list of manifest paths, in JSON.
folds = Table(
    "folds",
    METADATA,
    Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("label", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("source_rows", BigInteger, nullable=False),
    Column("repeated_rows", BigInteger, nullable=False),
    Column("paths", Text, nullable=False),
)

# Which run is current for a period: moving this row is what publishes.
period_pointers = Table(
    "period_pointers",
    METADATA,
    Column("period", Text, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("published_at", Text, nullable=False),
)

# Accounting periods and what may still be done to them.
periods = Table(
    "periods",
    METADATA,
    Column("period", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("closed_at", Text),
    Column("closed_run_id", Text, ForeignKey("runs.run_id")),
    Column("closed_sha256", Text),
    CheckConstraint("state IN ('open', 'closed')", name="state"),
)

# What each stage counted, and whether it agreed with the stage before it.
stage_controls = Table(
    "stage_controls",
    METADATA,
    Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("period", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("sha256", Text),
    Column("ok", Boolean, nullable=False),
)

# What was wrong with the project or its data in a run.
problems = Table(
    "problems",
    METADATA,
    Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("severity", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("place_file", Text),
    Column("place_line", Integer),
    Column("place_column", Integer),
    Column("place_row", BigInteger),
    Column("excerpt", Text),
    Column("amount", Text),
    Column("cure", Text),
    Column("held", Boolean, nullable=False),
)

# One balanced set of postings. It is written after them: inserting it is what seals them.
journal_entries = Table(
    "journal_entries",
    METADATA,
    Column("entry_id", Text, primary_key=True),
    Column("period", Text, nullable=False),
    Column("pool_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("memo", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("reverses_entry_id", Text, ForeignKey("journal_entries.entry_id"), unique=True),
    CheckConstraint("status IN ('final', 'estimate')", name="status"),
    CheckConstraint("(kind = 'reversal') = (reverses_entry_id IS NOT NULL)", name="reversal"),
    Index("ix_journal_entries_period_pool_id", "period", "pool_id"),
)

# One side of an entry. Debits are positive, credits negative.
postings = Table(
    "postings",
    METADATA,
    Column("posting_id", Text, primary_key=True),
    Column(
        "entry_id",
        Text,
        ForeignKey("journal_entries.entry_id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    Column("account", Text, nullable=False),
    Column("owner", Text),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Index("ix_postings_entry_id", "entry_id"),
    Index("ix_postings_account", "account"),
)

# What a person approved, rejected or took back; what holds is what nobody has undone.
decisions = Table(
    "decisions",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("decided_at", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("undoes", BigInteger, ForeignKey("decisions.number"), unique=True),
    CheckConstraint("kind IN ('approve', 'reject', 'undo')", name="kind"),
    CheckConstraint("(kind = 'undo') = (undoes IS NOT NULL)", name="undo"),
)

# What was done to keys of the gateway; of a secret only its hash is kept.
key_changes = Table(
    "key_changes",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("says", Text, nullable=False),
    Column("secret_sha256", Text, unique=True),
    Column("others_until", Text),
    Column("person", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("note", Text, nullable=False),
    CheckConstraint("kind IN ('create', 'change', 'rotate', 'revoke')", name="kind"),
    CheckConstraint("(kind IN ('create', 'rotate')) = (secret_sha256 IS NOT NULL)", name="secret"),
)
