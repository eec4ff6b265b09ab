"""What happened: columnar, immutable, and computable again from the raw objects."""

from apportion.warehouse.duckdb_engine import DuckDBEngine
from apportion.warehouse.engine import Engine, Written
from apportion.warehouse.steps import EXACT
from apportion.warehouse.tables import TABLES, Part, content_hash, write_table

__all__ = ["EXACT", "TABLES", "DuckDBEngine", "Engine", "Part", "Written", "content_hash", "write_table"]
