"""The words that `polishgen.spelling` knows: `python -m training.corpus.lexicon --data FOLDER`.

They are the frequent words of the training text that Morfeusz 2 knows, and, so that no right word
is taken for a wrong one, whatever looks like a misspelling of one of these and is a word itself. A
word is doubtful if Morfeusz does not know it, or only as a name or by a special usage ("juz": an
old measure; "książe": part of a place's name); it stays only if no word that it may be a
misspelling of is far more frequent.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Literal

from pydantic import Field

from polishgen.command_line import add_options, command
from polishgen.files import write_bytes
from polishgen.parameters import Int, Record
from polishgen.spelling import LEXICON, PLAIN, SHORTEST, sound_swaps
from training.corpus.cleaning.words import lexicon_of
from training.corpus.summary import DEFAULT_FOLDER
from training.measures.held_out import read_texts
from training.measures.real_words import analyser

# So many times as frequent a word makes a doubtful one its misspelling.
OUTNUMBERED = 10
# Words with more diacritics than this are not thought of with only some of them.
MOST_DIACRITICS = 6
COMMON = {"nazwa_pospolita"}


class LexiconConfig(Record):
    """Which words to take."""

    data: str = Field(DEFAULT_FOLDER, description="prepared corpus")
    out: str = Field(str(LEXICON), description="file to write")
    min_count: Int = Field(5, ge=1, le=10**6, description="occurrences that make a word frequent")


def misspellings(word: str) -> set[str]:
    """What `polishgen.spelling` may take for `word`: diacritics left out, one sound swapped."""
    found = set(sound_swaps(word))
    if sum(letter.translate(PLAIN) != letter for letter in word) <= MOST_DIACRITICS:
        letters = [sorted({letter, letter.translate(PLAIN)}) for letter in word]
        found |= {"".join(variant) for variant in product(*letters)}
    return found - {word}


@cache
def knowledge(word: str) -> Literal["common", "doubtful", "unknown"]:
    """What Morfeusz has to say of a word in small letters."""
    known = False
    for form in (word, word.capitalize()):
        for _, _, (_, _, tag, names, labels) in analyser().analyse(form):
            if tag == "ign":
                break
            known = True
            if not labels and set(names) <= COMMON:
                return "common"
    return "doubtful" if known else "unknown"


def lexicon(counts: Counter, min_count: int) -> dict[str, int]:
    """The words to know, with how often they occur; 0 for those that only stay as they are."""
    frequent = {w for w, count in counts.items() if count >= min_count and len(w) >= SHORTEST}
    likeliest: Counter = Counter()
    for word in frequent:
        if knowledge(word) != "unknown":
            for variant in misspellings(word):
                likeliest[variant] = max(likeliest[variant], counts[word])
    words = {}
    for word in frequent | likeliest.keys():
        known = knowledge(word)
        if known == "common" or (
            (known == "doubtful" or word in frequent)
            and likeliest[word] < OUTNUMBERED * max(1, counts[word])
        ):
            words[word] = counts[word] if word in frequent and known != "unknown" else 0
    return {word: count for word, count in words.items() if len(word) >= SHORTEST}


def lines(words: dict[str, int]) -> Iterable[str]:
    """A line per power of two of the frequency, the most frequent first; last those with 0."""
    groups: dict[int, list[str]] = {}
    for word, count in words.items():
        groups.setdefault(count.bit_length(), []).append(word)
    return (" ".join(sorted(groups[size])) for size in sorted(groups, reverse=True))


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: every field of `LexiconConfig` is an option."""
    parser = argparse.ArgumentParser("training.corpus.lexicon", description=__doc__.splitlines()[0])
    add_options(parser, LexiconConfig)
    config = LexiconConfig(**vars(parser.parse_args(arguments)))
    counts: Counter = Counter()
    for text in read_texts(Path(config.data) / "train.jsonl"):
        counts.update(lexicon_of(text))
    words = lexicon(counts, config.min_count)
    write_bytes(Path(config.out), ("\n".join(lines(words)) + "\n").encode())
    print(
        f"{len(words):,} words, {sum(not count for count in words.values()):,} of them never meant"
    )


if __name__ == "__main__":
    sys.exit(main())
