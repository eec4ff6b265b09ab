"""What was decided: runs and their manifest, periods, and the journal. Never computed again."""

from apportion.books.records import (
    BookedEntry,
    Control,
    Entry,
    Input,
    ManifestPart,
    Posting,
    Publication,
    Published,
    Run,
)
from apportion.books.store import Books
from apportion.books.view import BooksView

__all__ = [
    "BookedEntry",
    "Books",
    "BooksView",
    "Control",
    "Entry",
    "Input",
    "ManifestPart",
    "Posting",
    "Publication",
    "Published",
    "Run",
]
