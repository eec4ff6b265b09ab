"""One faulty `apportion.yaml` for each kind of problem; `§` stands before the place it is reported at."""

from __future__ import annotations

HEAD = "company: A\ncurrency: USD\ndimensions: {team: [{tag: team}]}\n"
LIMITS = "gateway: {providers: {openai: {}}, limits: "
PROXY = "gateway: {providers: {openai: {}}, trust: "
TOP = "company: A\ncurrency: USD\n"


def rule(rest: str, name: str = "r") -> str:
    return HEAD + f"allocate:\n  - {{name: {name}, when: true, {rest}}}\n"


def team(evidence: str) -> str:
    return TOP + f"dimensions:\n  team: {evidence}\n"


# slug, what it means, the file
FAULTS: list[tuple[str, str, str]] = [
    ("config-empty", "The file has no settings.", "§# nothing\n"),
    ("yaml-syntax", "The file is not YAML.", TOP + "owner: a§: b\n"),
    ("yaml-syntax", "It is indented with a tab.", "company: A\nbills:\n§\t- {name: a, path: b}\n"),
    ("yaml-syntax", "It holds a control character.", "company: A\ncurrency: §\x01\n"),
    ("yaml-syntax", "It holds a second document.", "company: A\n§---\ncompany: B\n"),
    ("yaml-duplicate-key", "A key is written twice.", HEAD + "§company: B\n"),
    ("yaml-tag", "A YAML type tag is refused.", HEAD + "owner: §!!python/name:os.system team\n"),
    ("yaml-expansion", "Anchors and aliases expand too far.", "company: §&a [*a]\n"),
    ("yaml-expansion", "The file is nested too deep.", "§" + "[" * 5000),
    ("unknown-key", "A key is no setting.", HEAD + "§ownr: team\n"),
    ("unknown-key", "A key is no setting.", HEAD + "bills: [{name: f, §pth: a.csv, path: a.csv}]\n"),
    ("missing-key", "A setting is missing.", HEAD + "bills: [§{name: f}]\n"),
    ("missing-key", "A setting is missing.", "§company: A\ndimensions: {team: [{tag: team}]}\n"),
    ("empty-value", "A key has no value.", HEAD + "prices: {  §overrides: }\n"),
    ("empty-value", "A dimension has no evidence.", TOP + "dimensions: {§team: []}\n"),
    ("wrong-kind", "A list, mapping or text stands where another is wanted.", HEAD + "bills: §a.csv\n"),
    ("unknown-choice", "A word is no choice for its setting.", HEAD + "policies: {fx: §monthly}\n"),
    ("unknown-choice", "A word is no choice for its setting.", HEAD + "policies: {variance: §scale}\n"),
    ("unknown-choice", "A method does not exist.", rule("method: §evn")),
    ("bad-address", "An address is none.", HEAD + "gateway: {providers: {x: {provider: p, url: §ftp://a}}}\n"),
    ("bad-address", "An address is none.", HEAD + "gateway: {listen: §everywhere, providers: {openai: {}}}\n"),
    (
        "bad-address",
        "It has the machine's credentials.",
        HEAD + "gateway: {providers: {openai: {url: §'http://169.254.169.254'}}}\n",
    ),
    ("bad-address", "A network has bits of a host.", HEAD + PROXY + "{from: §10.1.2.3/8, headers: {x-user: user}}}\n"),
    ("bad-address", "Everybody would be trusted.", HEAD + PROXY + "{from: [§0.0.0.0/0], headers: {x-user: user}}}\n"),
    ("empty-value", "Nobody is trusted.", HEAD + PROXY + "{from: §[], headers: {x-user: user}}}\n"),
    ("reserved-name", "A header is HTTP's own.", HEAD + PROXY + "{from: 10.1.2.3, headers: §{Host: user}}}\n"),
    ("unknown-time-zone", "No such place.", "time_zone: §Berlin\n" + HEAD),
    (
        "missing-key",
        "A limit of nothing.",
        HEAD + LIMITS + "[§{name: l, per: day}]}\n",
    ),
    (
        "two-units",
        "A limit of two things.",
        HEAD + LIMITS + "[{name: l, per: day, calls: 1, §money: 2}]}\n",
    ),
    (
        "unknown-dimension",
        "A limit looks at what no call carries.",
        HEAD + LIMITS + "[{name: l, per: day, calls: 1, each: [§tema]}]}\n",
    ),
    (
        "unknown-dimension",
        "A limit looks at what no call carries.",
        HEAD + LIMITS + "[{name: l, per: day, calls: 1, for: {§tema: a}}]}\n",
    ),
    (
        "duplicate-name",
        "Two limits share a name.",
        HEAD + LIMITS + "[{name: l, per: day, calls: 1}, {name: §l, per: day, calls: 1}]}\n",
    ),
    (
        "missing-key",
        "List prices are in USD.",
        HEAD.replace("USD", "EUR") + LIMITS + "[{name: l, per: day, money: §2}]}\n",
    ),
    (
        "bad-key-from",
        "A key stands where its place should.",
        HEAD + "gateway: {providers: {openai: {key_from: §sk-1}}}\n",
    ),
    ("missing-key", "No address is known.", HEAD + "gateway: {providers: {§opnai: {}}}\n"),
    (
        "reserved-name",
        "A path is the gateway's own.",
        HEAD + "gateway: {providers: {§metrics: {provider: p, url: 'http://a'}}}\n",
    ),
    (
        "path-outside-project",
        "The usage log leaves the project.",
        HEAD + "gateway: {log: §../log, providers: {openai: {}}}\n",
    ),
    ("out-of-range", "No process would work.", HEAD + "gateway: {workers: §0, providers: {openai: {}}}\n"),
    ("unknown-evidence", "A way to find a dimension does not exist.", team("[{tag: team}, {§tga: team}]")),
    ("not-a-number", "A number cannot be read.", rule("method: fixed, shares: {a: §1x}")),
    ("not-a-number", "A number is not finite.", rule("method: fixed, shares: {a: §.nan}")),
    ("not-a-date", "A day cannot be read.", rule("from: §2026-13-01, method: even, among: [a]")),
    ("out-of-range", "A number is too small or too large.", rule("method: direct, version: §0")),
    (
        "bad-name",
        "A name has characters that it may not have.",
        HEAD + "bills: [{name: §a/b, path: a.csv}]\n",
    ),
    ("bad-name", "A dimension has a name that is no column.", HEAD[:-2] + ", §Cost: [{tag: c}]}\n"),
    ("bad-owner", "An owner is no name and no pool.", rule("method: even, among: [§{pol: x}]")),
    (
        "bad-condition",
        "A condition cannot be read.",
        HEAD + "categories: [{category: training, when: x §== 1}]\n",
    ),
    ("unknown-currency", "A currency code does not exist.", HEAD.replace("USD", "§USB")),
    ("unknown-dimension", "The owner is no dimension.", HEAD + "owner: §teem\n"),
    ("unknown-field", "Evidence names no known column.", team("[{column: §teem_name}]")),
    (
        "unknown-field",
        "A condition names no known column.",
        team("[{value: x, when: \"tags.a and §ServiceName = 'y'\"}]"),
    ),
    (
        "unknown-lookup",
        "Evidence names a directory that is not there.",
        team("[{lookup: {key: api_key_id, in: §keys, take: team}}]"),
    ),
    ("unknown-meter", "A rule names a meter that is not there.", rule("method: proportional, meter: §gpu")),
    (
        "unknown-roster",
        "A rule counts heads and there is no such roster.",
        rule("method: headcount, roster: §people"),
    ),
    ("unknown-seats", "A rule names seats that are not there.", rule("method: seats, seats: §copilot")),
    ("unknown-pool", "A rule feeds a pool that no rule has.", rule("method: even, among: [§{pool: x}]")),
    ("pool-circle", "Pools feed each other in a circle.", rule("method: even, among: [§{pool: r}]")),
    (
        "dimension-circle",
        "Dimensions need each other in a circle.",
        team("[{value: x, when: §\"team = 'y'\"}]"),
    ),
    (
        "duplicate-name",
        "Two sources have one name.",
        HEAD + "bills: [{name: f, path: a.csv}, {name: §f, path: b.csv}]\n",
    ),
    (
        "duplicate-name",
        "Two rules have one name.",
        rule("method: direct") + "  - {name: §r, when: true, method: direct}\n",
    ),
    (
        "overlapping-versions",
        "Two versions of a rule hold on the same days.",
        rule("method: direct") + "  - {name: §r, version: 2, when: true, method: direct}\n",
    ),
    ("duplicate-owner", "An owner is named twice.", rule("method: even, among: [a, §a]")),
    (
        "duplicate-alias",
        "A misspelt value stands under two right ones.",
        team("{evidence: [{tag: team}], aliases: {a: [x], b: [§x]}}"),
    ),
    ("empty-owners", "Shares or owners are empty.", rule("method: even, among: §[]")),
    (
        "shares-total",
        "Shares do not total 100 or 1.",
        rule("method: fixed, §shares: {a: 33.3333, b: 66.6666}"),
    ),
    ("negative-share", "A share is negative.", rule("method: fixed, shares: {a: §-5, b: 105}")),
    (
        "dates-reversed",
        "Something ends before it starts.",
        rule("method: direct, from: 2026-11-01, to: §2026-11-01"),
    ),
    (
        "idle-without-meter",
        "Idle cost of something without capacity.",
        rule("method: proportional, meter: tokens, §idle: spread"),
    ),
    (
        "bad-combination",
        "Meters are combined that cannot be.",
        rule("method: proportional, meter: tokens, combine: §larger_share"),
    ),
    (
        "both-chosen",
        "Two settings exclude each other.",
        rule("method: direct, fallback: §{to: a, even: [b]}"),
    ),
    (
        "reserved-name",
        "A name belongs to the product.",
        HEAD + "meters: [{name: §attributed_cost, path: t.csv, unit: x}]\n",
    ),
    ("reserved-name", "A dimension is a column of the results.", HEAD[:-2] + ", §team_via: [{tag: c}]}\n"),
    (
        "rule-without-charges",
        "A rule names no charges and is not fed.",
        HEAD + "allocate: [§{name: r, method: direct}]\n",
    ),
    ("path-outside-project", "A path leaves the project.", HEAD + "bills: [{name: f, path: §../a.csv}]\n"),
    (
        "unreachable-evidence",
        "Evidence after a default is never reached.",
        team("[§{default: x}, {tag: team}]"),
    ),
]


def parts(marked: str) -> tuple[str, int, int]:
    """The file without its mark, and the line and column of the mark."""
    before, _, after = marked.partition("§")
    return before + after, before.count("\n") + 1, len(before) - before.rfind("\n")
