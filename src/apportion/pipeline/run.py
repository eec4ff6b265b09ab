"""A run: every stage in order, each control total checked before the next stage works, one publish at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pyarrow as pa

import apportion
from apportion.allocate import fx
from apportion.allocate.ledger import write_currencies, write_ledger, write_rules
from apportion.allocate.rules import assign
from apportion.allocate.run import Allocated, allocate
from apportion.allocate.weights import Shape
from apportion.attribute import evidence
from apportion.attribute.dimensions import Resolver, Way, map_rows, ways
from apportion.attribute.scope import decide_scope
from apportion.books.records import Entry, Input, Publication, Run
from apportion.books.runners import EVERY_PERIOD
from apportion.config.approved import OwnerRule
from apportion.config.settings import Settings
from apportion.errors import InvariantError, Problem, ProblemsFound, in_order, writing
from apportion.period import Period
from apportion.pipeline import checks, controls
from apportion.pipeline.inputs import Inputs, gather, read
from apportion.pipeline.leftovers import staging, sweep
from apportion.pipeline.reuse import Earlier
from apportion.pipeline.usage import Folded, UsageFolder
from apportion.pipeline.work import Work
from apportion.post import build_entries, check_entries, expected_totals
from apportion.price.book import PriceBook
from apportion.project import Project
from apportion.warehouse.choice import EngineChoice
from apportion.warehouse.duckdb_engine import world
from apportion.warehouse.tables import Part


class Progress(Protocol):
    """Who watches a run."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def advance(self, done: int, total: int) -> None:
        """So much of the stage is done."""

    def finish(self, summary: str) -> None:
        """The stage is done, in a few words."""


class Quiet:
    """Watches nothing."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def advance(self, done: int, total: int) -> None:
        """Nothing."""

    def finish(self, summary: str) -> None:
        """Nothing."""


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        run_id: Its name.
        periods: Which it published.
        problems: Everything a user should know, in the order of their files.
        posted: Entries that were new; kept: entries that stayed as they were.
        reuse: Which slices of calls were as before, and why others were not; empty on a first run.
    """

    run_id: str
    periods: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    posted: int = 0
    kept: int = 0
    reversed: int = 0
    reuse: str = ""


def run(
    project: Project,
    *,
    only: Period | None = None,
    progress: Progress | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    publish: bool = True,
    on: EngineChoice | None = None,
    look: Callable[[Outcome, Path, Sequence[Part]], None] | None = None,
    approved: Sequence[OwnerRule] | None = None,
    kept: Collection[str] = (),
) -> Outcome:
    """Run the whole flow and publish it.

    Args:
        project: With sound settings.
        only: One period; without it, every period that has charges or calls.
        progress: Who watches.
        now: The clock.
        publish: Without it, everything is worked out and checked, and nothing is kept.
        on: The engine; DuckDB unless said otherwise.
        look: Shown the folder and the parts of what is not published, before they are thrown away.
        approved: Owner rules to go by; without it, those that the books have in force.
        kept: Columns of calls that the cells keep besides what the project's evidence reads; not to be published.

    Raises:
        ProblemsFound: Errors that stop a run; nothing was written.
        InvariantError: Two totals that must agree do not; nothing was published.
    """
    written = project.settings
    watch = progress or Quiet()
    started = now()
    run_id = _run_id(started, project)
    with staging(project.state) as scratch:
        settings = written.with_approved(project.approved() if approved is None else approved).with_kept(kept)
        in_place = project.storage.in_place if publish else None
        folder, warehouse = (project.folder, in_place) if in_place else (scratch, scratch / "warehouse")
        with writing(str(project.state)), world(), (on or EngineChoice()).open(scratch, project.storage) as engine:
            work = Work(project, settings, engine, run_id, warehouse, folder)
            work.problems += project.loaded.problems
            if not publish:
                outcome = _Stages(work, watch, scratch).go(only)[0]
                if look:
                    work.bring()
                    look(outcome, folder, work.parts)
                return outcome
            with project.books(create=True) as books:
                stage_run = Run(
                    run_id,
                    _iso(started),
                    apportion.__version__,
                    project.config_sha256,
                    engine.name,
                    note=project.terms,
                    scope=str(only) if only else EVERY_PERIOD,
                )
                books.start(stage_run)
                keep = timedelta(days=settings.policies.keep_runs)
                sweep(project.state, project.storage, books, started, keep, during=run_id)
                with books.reading() as reading:
                    work.before = reading.folds()
                try:
                    outcome, publication, inputs_sha256 = _Stages(work, watch, scratch).go(only)
                    publication = work.settled(publication)
                    final = Run(
                        run_id,
                        _iso(started),
                        apportion.__version__,
                        project.config_sha256,
                        engine.name,
                        inputs_sha256,
                        project.terms,
                    )
                    done = books.publish(final, publication, _iso(now()))
                except BaseException as error:
                    books.fail(run_id, _iso(now()), str(error)[:500])
                    raise
                outcome.posted, outcome.kept, outcome.reversed = done.posted, done.kept, done.reversed
                watch.finish(f"{done.posted:,} entries posted, {done.kept:,} kept, {done.reversed:,} reversed")
                return outcome


class _Stages:
    """The order of the flow."""

    def __init__(self, work: Work, watch: Progress, scratch: Path) -> None:
        self._work = work
        self._engine = work.engine
        self._settings = work.settings
        self._watch = watch
        self._scratch = scratch
        self._tags, self._columns = work.settings.evidence_names()

    def go(self, only: Period | None) -> tuple[Outcome, Publication, str]:
        try:
            return self._go(only)
        except InvariantError:
            # Totals need not agree over data that is known to be unsound; what is wrong with it is the news.
            self._stop_on_errors()
            raise

    def _go(self, only: Period | None) -> tuple[Outcome, Publication, str]:
        inputs = self._inputs()
        resolver, every_way = self._directory()
        folded = self._usage(inputs, resolver)
        self._charges(resolver, every_way)
        periods = self._periods(folded, only)
        work = self._work
        work.problems += checks.whole_project(self._engine, self._settings, work.project.loaded)
        self._stop_on_errors()
        entries: list[Entry] = []
        pools = 0
        self._watch.stage("allocate")
        for number, period in enumerate(periods):
            allocated = self._allocate(period, resolver, every_way, folded)
            pools += len(allocated.pools)
            entries += self._post(period, inputs, folded)
            self._watch.advance(number + 1, len(periods))
        self._watch.finish(f"{pools:,} pools in {len(periods)} periods")
        self._stop_on_errors()
        self._watch.stage("post")
        outcome = Outcome(work.run_id, [str(period) for period in periods], in_order(work.problems), reuse=work.reuse)
        found = [Input(i.source, i.table, i.name, i.size_bytes, i.sha256) for i in inputs.objects]
        found += _decided(self._settings.approved)
        publication = Publication(
            periods=outcome.periods, parts=work.parts, entries=entries, controls=work.controls, inputs=found,
            problems=outcome.problems,
        )  # fmt: skip
        return outcome, publication, _inputs_sha256(found)

    def _stop_on_errors(self) -> None:
        if any(problem.stops for problem in self._work.problems):
            raise ProblemsFound(self._work.problems) from None

    def _inputs(self) -> Inputs:
        self._watch.stage("collect")
        inputs = gather(self._settings, self._work.project.folder, self._work.project.state)
        size = sum(item.size_bytes for item in inputs.objects)
        self._watch.finish(f"{len(inputs.objects):,} objects, {size:,} bytes")
        self._watch.stage("normalize")
        inputs = read(self._engine, self._settings, inputs)
        rows = sum(control.rows_in for control in inputs.control)
        aside = sum(control.rows_quarantined for control in inputs.control)
        self._watch.finish(f"{rows:,} rows, {aside:,} quarantined")
        self._work.problems += inputs.problems
        return inputs

    def _directory(self) -> tuple[Resolver, Sequence[Way]]:
        rows = map_rows(self._settings)
        self._engine.register(
            "dimension_maps",
            pa.table(
                {
                    "dimension": pa.array([row[0] for row in rows], pa.string()),
                    "via": pa.array([row[1] for row in rows], pa.int8()),
                    "raw": pa.array([row[2] for row in rows], pa.string()),
                    "value": pa.array([row[3] for row in rows], pa.string()),
                }
            ),
        )
        found = ways(self._settings)
        self._engine.register(
            "dimension_ways",
            pa.table(
                {
                    "dimension": pa.array([way.dimension for way in found], pa.string()),
                    "via": pa.array([way.via for way in found], pa.int8()),
                    "layer": pa.array([way.layer for way in found], pa.string()),
                    "evidence": pa.array([way.evidence for way in found], pa.string()),
                }
            ),
        )
        return Resolver(self._settings), found

    def _usage(self, inputs: Inputs, resolver: Resolver) -> Folded:
        self._watch.stage("price")
        overrides = self._settings.prices.overrides
        path = self._work.project.folder / overrides if overrides else None
        book, problems = PriceBook.load(path, overrides)
        self._work.problems += problems
        work, storage = self._work, self._work.project.storage
        earlier = Earlier(work.before, self._settings, resolver, inputs, path, storage.holds)
        folder = UsageFolder(
            self._engine, self._settings, resolver, book, self._scratch, work.keep, earlier, work.list_again
        )
        folded = folder.fold(inputs, self._watch.advance)
        work.folds = folded.folds
        self._work.problems += folded.problems
        every = [path for paths in folded.paths.values() for path in paths]
        self._engine.use_view("usage_cells", every, schema=folder.empty())
        work.reuse = earlier.told()
        self._watch.finish(f"{folded.calls:,} calls, {folded.unpriced_calls:,} unpriced")
        return folded

    def _charges(self, resolver: Resolver, every_way: Sequence[Way]) -> None:
        self._watch.stage("attribute")
        engine, settings = self._engine, self._settings
        before = engine.fetch("SELECT COUNT(*), COALESCE(SUM(billed_nano), 0) FROM charges")
        self._work.problems += decide_scope(engine.desk.connection, settings.scope, settings.categories)
        evidence.resolve_charges(engine, settings, resolver, every_way, self._tags, self._columns)
        after = engine.fetch("SELECT COUNT(*), COALESCE(SUM(billed_nano), 0) FROM charge_dimensions")
        if before != after:
            raise InvariantError("L1", "rows and billed cost before and after attribution", before, after)
        engine.run("CREATE OR REPLACE VIEW charges_all AS SELECT * FROM charge_dimensions")
        checks.write_calendar(engine)
        evidence.resolve_meters(engine, resolver, self._tags, self._columns)
        evidence.resolve_seats(engine, settings, resolver, self._tags, self._columns)
        evidence.roster_owners(engine, settings)
        columns = [c for c in engine.describe("charge_dimensions") if c not in resolver.dimensions]
        assign(engine, settings, columns, resolver.dimensions)
        write_rules(engine, settings)
        codes = {row[0] for row in engine.fetch("SELECT DISTINCT billing_currency FROM charges")}
        write_currencies(engine, sorted(codes | {settings.currency}))
        self._work.problems += fx.convert_invoices(engine, settings.currency, settings.policies.fx)
        checks.write_metered_items(engine, settings)
        engine.sql_step("sql/usage_days.sql", beside="apportion.allocate", into="usage_days")
        engine.bring("usage_days")
        self._watch.finish(f"{before[0][0]:,} charges")

    def _periods(self, folded: Folded, only: Period | None) -> list[Period]:
        found = {row[0] for row in self._engine.fetch("SELECT DISTINCT period FROM charges")} | set(folded.paths)
        if only is None:
            return [Period.parse(text) for text in sorted(found)]
        if str(only) not in found and not self._amortised(only):
            self._work.problems.append(checks.nothing_in(only, sorted(found)))
        return [only]

    def _amortised(self, period: Period) -> bool:
        """Whether a charge of an earlier period is spread into this one."""
        return bool(
            self._engine.value(
                """SELECT COUNT(*) FROM ruled_charges AS c JOIN rules AS r ON r.rule = c.rule
                WHERE r.amortized AND c.day_from < $1
                  AND CASE WHEN r.amortize_days IS NULL THEN c.day_to ELSE c.day_from + r.amortize_days END > $2""",
                [period.end, period.start],
            )
        )

    def _allocate(self, period: Period, resolver: Resolver, every_way: Sequence[Way], folded: Folded) -> Allocated:
        engine, settings = self._engine, self._settings
        write_ledger(engine, settings, period)
        if not fx.list_rate(engine, settings.currency, period, settings.policies.fx) and str(period) in folded.paths:
            self._work.problems.append(checks.no_list_rate(settings, period))
        layers = {way.via: way.layer for way in every_way if way.dimension == settings.owner}
        shape = Shape(settings.owner, resolver.dimensions, layers, _followers(settings))
        files = 0

        def write(query: str, label: str) -> str:
            nonlocal files
            files += 1
            _, paths = self._work.keep("allocated_charges", query, str(period), label)
            engine.use_view(f"allocated_file_{period.year}_{period.month}_{files}", paths)
            return f"SELECT * FROM allocated_file_{period.year}_{period.month}_{files}"

        def resolve(source: str, keep: Sequence[str], taken: Sequence[str], preset: Sequence[str]) -> str:
            return resolver.query(source, keep=keep, evidence=taken, preset=preset)

        allocated = allocate(engine, settings, period, shape, resolve=resolve, write=write)
        self._work.problems += allocated.problems
        return allocated

    def _post(self, period: Period, inputs: Inputs, folded: Folded) -> list[Entry]:
        engine, text = self._engine, str(period)
        if text not in folded.paths:
            self._work.keep("usage_cells", "SELECT * FROM usage_cells WHERE FALSE", text)
        if not engine.value("SELECT COUNT(*) FROM pools"):
            self._work.keep("allocated_charges", "SELECT * FROM allocated_so_far WHERE FALSE", text)
        for table, query in controls.published(text).items():
            self._work.keep(table, query, text)
        entries = build_entries(engine, text, self._settings.currency)
        check_entries(entries, expected_totals(engine, text))
        self._work.controls += controls.totals(engine, self._settings, period, inputs, folded, entries)
        return entries


def _followers(settings: Settings) -> frozenset[str]:
    """The owner dimension, and those whose evidence reads it, at any distance."""
    found = {settings.owner}
    for name in settings.dimension_order():
        if found & set(settings.needs(name)):
            found.add(name)
    return frozenset(found)


def _decided(approved: Sequence[OwnerRule]) -> list[Input]:
    """Owner rules that were approved, as one more input of a run."""
    if not approved:
        return []
    text = "\n".join(rule.to_json() for rule in approved).encode()
    return [Input("books", "decisions", "approved owner rules", len(text), hashlib.sha256(text).hexdigest())]


def _run_id(started: datetime, project: Project) -> str:
    """Sorts by time; the hash keeps two projects' runs apart in one store, wherever they lie."""
    digest = hashlib.sha256(f"{started.isoformat()}{project.config_sha256}".encode()).hexdigest()
    return f"{started:%Y%m%dT%H%M%S%fZ}-{digest[:6]}"


def _inputs_sha256(inputs: Sequence[Input]) -> str:
    lines = sorted(f"{item.source}\t{item.name}\t{item.sha256}" for item in inputs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
