"""The command line, run as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import save_tiny_checkpoint

from polishgen.__main__ import main
from polishgen.checkpoint import bundled_names

ROOT = Path(__file__).parent.parent


@pytest.fixture
def folder(tmp_path):
    """A small model over single bytes, as the command line names it."""
    return str(save_tiny_checkpoint(tmp_path / "small", "gru"))


def test_generate_repeats_itself_with_a_seed(folder, capsys):
    command = ["generate", "Kot", "--model", folder, "--seed", "3", "--max-new-tokens", "12"]
    assert main(command) == 0
    first = capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().out == first.out
    assert first.out.startswith("Kot") and "tokens/s" in first.err
    assert main([*command[:-4], "--seed", "4", "--max-new-tokens", "12"]) == 0
    assert capsys.readouterr().out != first.out


def test_generate_streams_and_reads_standard_input(folder):
    process = subprocess.run(
        [sys.executable, "-m", "polishgen", "generate", "-", "--model", folder],
        input="Żółw ".encode(),
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    assert process.stdout.decode().startswith("Żółw ")


@pytest.mark.parametrize("command", ["generate", "score"])
def test_standard_input_that_is_not_utf8_is_one_line(command, folder):
    process = subprocess.run(
        [sys.executable, "-m", "polishgen", command, "-", "--model", folder],
        input="żółw".encode("iso-8859-2"),
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert process.returncode == 2 and process.stdout == b""
    assert process.stderr == b"error: standard input is not UTF-8: byte 0xbf at 0\n"


def test_score_and_bench_print_their_tables(folder, capsys):
    assert main(["score", "Ala ma kota.", "--model", folder]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[0] == folder and int(row[1]) == 12 and float(row[2]) > 1
    assert main(["bench", "--model", folder, "--tokens", "5", "--repeats", "1"]) == 0
    assert f"| {folder} | PyTorch | 5 |" in capsys.readouterr().out


def test_models_lists_what_is_bundled(capsys):
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert bundled_names() and all(name in printed for name in bundled_names())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["generate", "--temperature", "nan"], "temperature=nan"),
        (["generate", "--top-p", "2"], "top_p=2"),
        (["generate", "--max-new-tokens", "0"], "max_new_tokens=0"),
        (["generate", "--seed", "x"], "seed='x'"),
        (["generate", "--stop", ""], "stop=['']"),
        (["generate", "--genre", "poem"], "genre='poem'"),
        (["score", ""], "text=''"),
        (["bench", "--tokens", "0"], "tokens=0"),
    ],
)
def test_bad_values_are_one_line(options, said, folder, capsys):
    assert main([*options, "--model", folder]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["score", "Ala", "--revision", "v1"], "revision='v1'"),
        (["bench", "--app", "--tokens", "9"], "tokens=9"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options, said, capsys):
    assert main(options) == 2
    error = capsys.readouterr().err
    assert said in error and "must be left out" in error


def test_unknown_model_is_one_line(capsys):
    assert main(["generate", "--model", "lstm"]) == 2
    assert "model='lstm'" in capsys.readouterr().err
