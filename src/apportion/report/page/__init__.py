"""The report as one page and its tables: what a period cost, for whom and why, to open, print and pass on."""

from apportion.report.page.folder import EVERY_TABLE, PAGE, REPORT_FILES, UNFINISHED, Folder, folder, is_report
from apportion.report.page.report import Report, gather

__all__ = ["EVERY_TABLE", "PAGE", "REPORT_FILES", "UNFINISHED", "Folder", "Report", "folder", "gather", "is_report"]
