"""The report as one page and its tables: what a period cost, for whom and why, to open, print and pass on."""

from apportion.report.page.folder import EVERY_TABLE, Folder, folder
from apportion.report.page.report import Report, gather

__all__ = ["EVERY_TABLE", "Folder", "Report", "folder", "gather"]
