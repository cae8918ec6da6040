"""What all command lines share: help, options from records, errors in one line, exit codes."""

import sys
from argparse import SUPPRESS, ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from importlib import import_module

import pytest
from pydantic import Field

from polishgen.command_line import add_options, command, given, number_from_text
from polishgen.errors import CheckpointError, ParameterError
from polishgen.parameters import GenerationConfig, Int, Record

COMMANDS = (
    "app",
    "polishgen.__main__",
    "training.average",
    "training.bench",
    "training.corpus.lexicon",
    "training.evaluate",
    "training.experiments.ablations",
    "training.experiments.trials",
    "training.export",
    "training.prepare",
    "training.publish",
    "training.samples",
    "training.train",
)


class AboutToParseError(Exception):
    """Carries the parser that was about to parse."""


def parsers(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """The parser and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            yield from action.choices.values()


@pytest.mark.parametrize("module", COMMANDS)
def test_every_option_has_a_help_text(module, monkeypatch):
    def parse(self, *_):
        raise AboutToParseError(self)

    monkeypatch.setattr(ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(ArgumentParser, "parse_known_args", parse)
    with pytest.raises(AboutToParseError) as caught:
        import_module(module).main([])
    for parser in parsers(caught.value.args[0]):
        for action in parser._actions:
            commands = isinstance(action, _SubParsersAction)
            assert commands or len(action.help) > 10 or action.help == SUPPRESS, action.dest
        assert parser.format_help()


def test_an_option_tells_range_and_default_and_a_record_checks_it():
    parser = ArgumentParser()
    add_options(parser, GenerationConfig, left_out=("genre",))
    told = " ".join(parser.format_help().split())
    assert "keeps all (a whole number from 0 to 100000; default: 0)" in told
    assert "(a whole number from 0 to 9223372036854775807; default: none)" in told
    assert "(yes or no; default: yes)" in told and "may be given several times" in told
    assert "--genre" not in told
    typed = ["--top-k", "5", "--stop", "a", "--stop", "b", "--no-starts-new-word"]
    options = parser.parse_args(typed)
    assert given(options, GenerationConfig) == {
        "top_k": 5,
        "stop": ["a", "b"],
        "starts_new_word": False,
    }
    assert given(parser.parse_args([]), GenerationConfig) == {}
    for wrong, said in (("hot", "temperature='hot'"), ("9", "temperature=9"), (".5", None)):
        chosen = given(parser.parse_args(["--temperature", wrong]), GenerationConfig)
        if said is None:
            assert GenerationConfig(**chosen).temperature == 0.5
            continue
        with pytest.raises(ParameterError, match=said):
            GenerationConfig(**chosen)


def test_an_object_is_read_as_json_or_refused_by_name():
    class Mixed(Record):
        mix: dict[str, Int] = Field({}, description="JSON: how often to read each genre")

    parser = ArgumentParser()
    add_options(parser, Mixed)
    assert Mixed(**vars(parser.parse_args(["--mix", '{"tale": 3}']))).mix == {"tale": 3}
    with pytest.raises(ParameterError, match="mix='tale' is not allowed: it must be a JSON object"):
        Mixed(**vars(parser.parse_args(["--mix", "tale"])))


def test_numbers_from_text():
    assert number_from_text("12") == 12 and number_from_text(" 1e-1 ") == 0.1
    assert number_from_text("9223372036854775807") == 2**63 - 1
    assert number_from_text("hot") == "hot"


@pytest.mark.parametrize(
    ("ends", "code", "said"),
    [
        (None, 0, ""),
        (130, 130, ""),
        (CheckpointError("a.json is damaged"), 2, "error: a.json is damaged\n"),
        (FileNotFoundError(2, "No such file", "x"), 2, "error: [Errno 2] No such file: 'x'\n"),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_an_end_is_an_exit_code_and_one_line(ends, code, said, capsys):
    @command
    def main(arguments):
        if isinstance(ends, BaseException):
            raise ends
        return ends

    assert main([]) == code
    assert capsys.readouterr().err == said


def test_a_reader_that_is_gone_is_no_complaint(monkeypatch, tmp_path):
    @command
    def main(arguments):
        raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", (tmp_path / "err").open("w"))
    assert main([]) == 1 and sys.stderr.closed


def test_a_fault_of_ours_keeps_its_traceback():
    @command
    def main(arguments):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main([])
