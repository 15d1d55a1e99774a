"""What help texts and pages tell a reader to type, open or set exists: commands, options, files, links, tests, settings."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from isthmus.cli.main import commands

ROOT = Path(__file__).parents[3]
WITHOUT_JSON = {"isthmus demo", "isthmus sync export"}  # one shows, the other prints YAML
PROGRAMS_OF_OTHERS = {"--rm", "--network"}  # podman's
MADE_BY_A_USER = {"manifest.json", "report.json", "notices.yaml", "ca/ca.pem", "NAME.json"}
OF_OTHER_PROJECTS = {"**/cassettes/*.yaml", "Soap/c"}
OF_THE_PROTOCOL = {"isthmus inspect 1", "isthmus decide 1"}  # labels of keys, see docs/sync.md


@cache
def tracked() -> tuple[str, ...]:
    """Return every file of the repository, without what a build made."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(listed.stdout.splitlines())


@cache
def folders() -> frozenset[str]:
    """Return the name of every folder of the repository."""
    return frozenset(part for name in tracked() for part in name.split("/")[:-1])


@cache
def code() -> str:
    """Return the text of all programs, among them the other tests."""
    kinds = (".py", ".sql", ".sh", "Makefile", "package.json", "pyproject.toml")
    others = (name for name in tracked() if name.endswith(kinds) and name != "tests/unit/core/test_help_and_docs.py")
    return "\n".join((ROOT / name).read_text("utf-8") for name in others)


def every_command() -> Iterator[tuple[str, click.Command]]:
    waiting: list[tuple[str, click.Command]] = [("isthmus", commands)]
    while waiting:
        path, command = waiting.pop()
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                waiting.append((f"{path} {name}", found))


COMMANDS = dict(every_command())


def wrong_with(line: str) -> str | None:
    """Return why a command line cannot be typed like that, or None. Values are not judged."""
    words = shlex.split(re.split(r" > |  #", line)[0])
    path = words.pop(0)
    while isinstance(COMMANDS[path], click.Group) and words and not words[0].startswith("-"):
        path = f"{path} {words.pop(0)}"
        if path not in COMMANDS:
            return f"there is no command {path}"
    command = COMMANDS[path]
    try:
        command.make_parser(click.Context(command)).parse_args(words)
    except click.UsageError as error:
        return error.format_message()
    return None


def command_lines(text: str) -> Iterator[str]:
    """Yield what begins with `isthmus`, in whatever part of a pipe, without prompts and settings before it."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"[|;]|&&", line):
            found = re.match(r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(isthmus(?: .*)?)$", part.rstrip())
            if found and found[1] not in OF_THE_PROTOCOL:
                yield found[1]


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_every_command_has_examples_that_can_be_typed_and_json_for_programs(path: str) -> None:
    command = COMMANDS[path]
    text = command.help or ""
    if path != "isthmus":
        assert re.search(r"^\s*Examples?:$", text, re.MULTILINE), "no example"
        assert list(command_lines(text))
    assert [wrong for line in command_lines(text) if (wrong := wrong_with(line))] == []
    options = {name for parameter in command.params for name in parameter.opts}
    assert isinstance(command, click.Group) or ("--json" in options) == (path not in WITHOUT_JSON)


def faults_of(page: str, text: str) -> list[str]:
    """Return what a page names that does not exist."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```[^\n]*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", prose)]
    shown = "\n".join((*blocks, *spans))
    found = [f"{line}: {wrong}" for line in command_lines(shown) if (wrong := wrong_with(line))]
    found += [f"make {t}" for t in re.findall(r"\bmake ([a-z]+)", shown) if f"\n{t}:" not in code()]
    names = [*re.findall(r"\bISTHMUS_(?!ORG_)[A-Z_]*[A-Z]\b", text), *re.findall(r"\btest_\w+", text)]
    found += [n for n in names if n not in code() and not any(n in f for f in tracked())]
    flags = [flag for span in spans for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", span)]
    found += [flag for flag in flags if f'"{flag}"' not in code() and flag not in PROGRAMS_OF_OTHERS]
    return [*found, *missing_links(page, text), *missing_files(page, spans)]


def missing_links(page: str, text: str) -> Iterator[str]:
    for link in re.findall(r"\[[^\]]*\]\((?!https?:)([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        place = (ROOT / page).parent / name if name else ROOT / page
        if not place.exists():
            yield link
        elif anchor:
            heads = re.findall(r"^#+ (.*)$", place.read_text("utf-8") if name else text, re.MULTILINE)
            if anchor not in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}:
                yield link


def missing_files(page: str, spans: list[str]) -> Iterator[str]:
    path = re.compile(r"[\w.*-]+(/[\w.*-]+)+/?|[\w-]+\.(py|md|toml|sql|yaml|json|sh|cfg|lock)")
    for span in spans:
        if not path.fullmatch(span) or span in MADE_BY_A_USER | OF_OTHER_PROJECTS:
            continue
        if "." not in span and span.split("/")[0] not in folders():
            continue  # `n/a`
        at = re.compile(
            "(^|/)"
            + re.escape(span.removeprefix("../").rstrip("/")).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
            + "($|/)"
        )
        if not any(at.search(name) for name in tracked()):
            yield span


@pytest.mark.parametrize("page", [name for name in tracked() if name.endswith(".md")])
def test_a_page_names_nothing_that_does_not_exist(page: str) -> None:
    assert faults_of(page, (ROOT / page).read_text("utf-8")) == []


def test_a_page_that_names_what_does_not_exist_is_found_out() -> None:
    wrong = (
        "```console\n$ isthmus sync paln x.yaml\n$ sf org | isthmus audit run --orgg prod\n$ make tests\n```\n"
        "`isthmus/nowhere.py` `ISTHMUS_NO_SUCH` `test_nobody_wrote_this` `--no-such-flag` [x](gone.md) [y](#no-heading)"
    )
    told = " ".join(faults_of("README.md", wrong))
    planted = "paln --orgg make\\ tests isthmus/nowhere.py ISTHMUS_NO_SUCH test_nobody_wrote_this --no-such-flag"
    for name in shlex.split(planted):
        assert name in told, name
    assert "gone.md" in told
    assert "#no-heading" in told


def test_every_setting_is_listed_where_an_operator_looks() -> None:
    settings = set(re.findall(r"`(ISTHMUS_[A-Z_]+)`", (ROOT / "isthmus/config.py").read_text("utf-8")))
    page, told = (ROOT / "docs/operating.md").read_text("utf-8"), COMMANDS["isthmus up"].help or ""
    assert {setting for setting in settings if f"`{setting}`" not in page} == set()
    assert {setting for setting in settings if setting not in told} == set()
