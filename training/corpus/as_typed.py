"""A text's first words as people type them: without diacritics, or with misspellings.

The rest stays flawless, so that a model learns to go on in good Polish from a prompt that is not,
from wherever in a sentence the prompt ends. The typed words are for reading alone: training skips
them as targets (`mark_unlearned`), or models would write so, too.
"""

import random
import re

from polishgen.spelling import PLAIN
from training.corpus.cleaning.words import WORD

TYPOGRAPHY = str.maketrans("—–„”", '--""')
WITHOUT_SIGNS = PLAIN | TYPOGRAPHY | str.maketrans("…", ".")
# A first sentence ends here, or at the end of the text.
SENTENCE = re.compile(r"(?s).+?[.!?…]+[”\"]?(?=\s|$)|.+")
# As many words of it are typed, no more than a prompt has.
FEWEST_WORDS, MOST_WORDS = 2, 10
# The commonest misspellings: pattern and what people write. What sounds alike, or a missing tail.
OGONEKS = ((r"ę$", "e"), (r"ą$", "a"))
MISSPELLINGS = (
    *OGONEKS,
    (r"ą$", "om"),
    (r"ó", "u"),
    (r"(?<=[^aeiouyąęó])u(?=[^aeiouyąęó])", "ó"),
    (r"(?<!d)rz", "ż"),
    (r"ż(?!$)", "rz"),
    (r"ch", "h"),
    (r"(?<=[aeiouyąęó])h|^h", "ch"),
    (r"ś(?=[^aeiouyąęó])", "s"),
    (r"ł", "l"),
    (r"ć$", "c"),
    (r"ę(?=[bp])", "em"),
    (r"ą(?=[bp])", "om"),
    (r"w(?=[sckpt])", "f"),
)
# Of the words that can be misspelt, this share is, but at least one.
WORD_SHARE = 0.4


def as_typed(text: str, seed: int | str) -> tuple[str, int]:
    """The text with its first words, up to a sentence, as typed, and how many characters these are.

    The same for the same seed. 0 if nothing was changed.

    In a third no word has diacritics, in a third words lack their last tail ("książe"), in a third
    some are misspelt. Words that have nothing to get wrong stay as they are.
    """
    chance = random.Random(f"typed {seed}")
    first = SENTENCE.match(text)
    if not first:
        return text, 0
    words = list(WORD.finditer(first.group()))
    count = chance.randint(FEWEST_WORDS, MOST_WORDS)
    end = words[count - 1].end() if count < len(words) else first.end()
    prompt = text[:end]
    way = chance.choice(("plain", "tails", "misspelt"))
    typed = prompt
    if way != "plain":
        rules = OGONEKS if way == "tails" else MISSPELLINGS
        typed = misspelt(prompt, rules, 1.0 if way == "tails" else WORD_SHARE, chance)
    typed = prompt.translate(WITHOUT_SIGNS) if typed == prompt else typed.translate(TYPOGRAPHY)
    return typed + text[end:], len(typed) if typed != prompt else 0


def misspelt(
    sentence: str, rules: tuple[tuple[str, str], ...], share: float, chance: random.Random
) -> str:
    """The sentence with one rule applied to a share of the words that offer any, at least one."""
    offers = {}
    for match in WORD.finditer(sentence):
        found = [rule for rule in rules if re.search(rule[0], match.group())]
        if found:
            offers[match.start()] = chance.choice(found)
    if not offers:
        return sentence
    kept = {start for start in offers if chance.random() < share}
    kept = kept or {chance.choice(list(offers))}

    def spell(match: re.Match) -> str:
        if match.start() not in kept:
            return match.group()
        return re.sub(*offers[match.start()], match.group(), count=1)

    return WORD.sub(spell, sentence)
