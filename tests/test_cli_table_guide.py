"""The guide of the command line shows what its commands print."""

import itertools
import pathlib
import re
import shlex

import markdown
from bpnative import cli


def test_the_guide_shows_what_the_commands_print(capsys, tmp_path, monkeypatch):
    """The ``bash`` blocks of the page, in order, after its first program, which writes the table."""
    monkeypatch.chdir(tmp_path)
    page = pathlib.Path(__file__).parent.parent / "docs" / "guide" / "command-line.md"
    found = markdown.blocks(page.read_text(encoding="utf-8"))
    exec(next(content for language, content, _ in found if language == "python"), {})
    compared = 0
    for (language, commands, _), (_, shown, line) in itertools.pairwise(found):
        if language != "bash":
            continue
        printed = ""
        for command in commands.splitlines():
            capsys.readouterr()
            code = cli.main(shlex.split(command)[1:])
            printed += "".join(reversed(capsys.readouterr()))
            printed += "exit code 1\n" if code == 1 else ""
        assert plain(printed) == plain(shown), f"line {line}"
        compared += 1
    assert compared == 6


def plain(text):
    """Without what the machine's speed and the last digits change."""
    text = re.sub(r"-?\d+(\.\d+)?(e-\d+)?", "0", text.replace("python -m bpnative", "bpnative").replace("█", ""))
    return [" ".join(line.split()) for line in text.splitlines()]
