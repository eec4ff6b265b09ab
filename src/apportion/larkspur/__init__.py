"""Larkspur, a made-up company whose every number is known: a project folder of plain files.

It has 84 people in 6 teams and 3 levels of cost centres, 2 companies, 5 issuers, 14 customers, 8 features and 4 months.
What is planted in it, and the number of each, is told in the README of the folder. The same folder is written every
time, byte by byte; nothing here knows the rest of the program.
"""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from apportion.larkspur.bills import write_bills
from apportion.larkspur.company import MONTHS
from apportion.larkspur.records import write_meters, write_people, write_seats
from apportion.larkspur.usage import calls_of, write_usage


def write_company(folder: Path) -> None:
    """Write the whole project into a folder, which is made.

    Args:
        folder: What it holds under the names of the project's files is replaced.
    """
    with as_file(files("apportion.larkspur") / "files") as written:
        shutil.copytree(written, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    write_people(folder / "directory")
    write_seats(folder / "seats")
    write_meters(folder / "meters")
    months = [calls_of(month) for month in range(len(MONTHS))]
    for month, calls in enumerate(months):
        write_usage(folder / "usage", month, calls)
    write_bills(folder / "bills", months)
