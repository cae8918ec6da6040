"""The same tale with other names, animals, relatives, colours and numbers.

A word is exchanged for one of the same group, hence of the same gender and animacy, so whatever
agrees with it stays as it is. Forms come from Morfeusz 2's generator, and readings of the tale's
words from its analyser. A lemma is left alone when it is not certain that

- every form of it in the tale belongs to it and not to another lemma ("kota" to "kota"),
- each form has exactly one counterpart ("mysz", nominative or accusative: "sowa" or "sowę"),
- prepositions keep their shape ("z lisem", "ze szpakiem"),
- nothing else in the tale hangs on the word (derived words, comparisons, an animal's attributes).
"""

import json
import random
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import product
from pathlib import Path

import morfeusz2

from training.corpus.cleaning.words import WORD

SENTENCE_END = re.compile(r"(^|[.!?…:]|\n)[\s—–„”»«\"-]*$")
# Of the lemmas that can be exchanged, this share is: every tale also occurs nearly as written.
RATE = 0.85
# After these a word is part of a comparison, and another word would not fit it.
COMPARING = {"jak", "niczym", "niby", "jakby"}
# A two-letter preposition stays only where these sounds do not follow, alone or with a consonant.
VOWELS = "aeiouyąęó"
ADDS_E = {"w": "wf", "z": "szśźżwłlm"}


@dataclass(frozen=True)
class Group:
    """Lemmas that may stand for each other: their tags' beginning and end, and their labels."""

    lemmas: tuple[str, ...]
    tag: re.Pattern
    label: str = ""
    # If given, each occurrence must have one of these lemmas beside it.
    beside: frozenset[str] = frozenset()
    rate: float = RATE


def read_group(row: dict, beside: dict[str, str]) -> Group:
    """A group of the word lists: given names, common nouns of one gender, or other words."""
    lemmas, rate = tuple(row["lemmas"].split()), row.get("rate", RATE)
    if gender := row.get("names"):
        return Group(lemmas, re.compile(rf"subst:sg:[^:]+:{gender}(:|$)"), "imię", rate=rate)
    if gender := row.get("nouns"):
        tag = re.compile(rf"subst:(sg|pl):[^:]+:{gender}(:|$)")
        return Group(lemmas, tag, "nazwa_pospolita", rate=rate)
    others = frozenset(beside[row["beside"]].split())
    return Group(lemmas, re.compile(row["tag"]), beside=others, rate=rate)


# "groups": of the given names ("names") the singular is exchanged, of the common nouns ("nouns")
# both numbers, adjectives and numerals only beside certain nouns ("things", "counted").
LISTS = json.loads((Path(__file__).parent / "data" / "variation.json").read_text(encoding="utf-8"))
GROUPS = tuple(read_group(row, LISTS) for row in LISTS["groups"])
# A tale that holds words with these beginnings keeps the lemma as it is; for numerals, whatever
# counts, or is counted one by one.
NUMERALS = (lemma for group in GROUPS if group.tag.match("num:pl:") for lemma in group.lemmas)
ATTRIBUTES = LISTS["attributes"] | dict.fromkeys(NUMERALS, LISTS["counting"])
# Lemmas that share forms with others here, but that no tale holds.
RARE_LEMMAS = frozenset(LISTS["rare"].split())


@dataclass(frozen=True)
class Paradigm:
    """A lemma's forms: by cell (an unambiguous tag), and the cells of each form, in lower case."""

    forms: dict[str, frozenset[str]]

    @cached_property
    def cells(self) -> dict[str, frozenset[str]]:
        """The cells that each form may fill."""
        cells = defaultdict(set)
        for cell, forms in self.forms.items():
            for form in forms:
                cells[form].add(cell)
        return {form: frozenset(found) for form, found in cells.items()}

    def counterpart(self, cells: frozenset[str]) -> str | None:
        """The one form that fills all the cells, or None."""
        common = frozenset.intersection(*(self.forms.get(cell, frozenset()) for cell in cells))
        return next(iter(common)) if len(common) == 1 else None


@cache
def morfeusz() -> morfeusz2.Morfeusz:
    """Morfeusz with generator and analyser."""
    return morfeusz2.Morfeusz()


@cache
def paradigm(group: Group, lemma: str) -> Paradigm:
    """The lemma's forms as the generator makes them and the analyser knows them."""
    forms = defaultdict(set)
    for form, base, tag, labels, _ in morfeusz().generate(lemma):
        right = base.split(":")[0] == lemma and group.tag.match(tag)
        if right and (not group.label or group.label in labels) and lemma in lemmas_of(form):
            for cell in product(*(field.split(".") for field in tag.split(":"))):
                forms[":".join(cell)].add(form.lower())
    return Paradigm({cell: frozenset(found) for cell, found in forms.items()})


@lru_cache(maxsize=200_000)
def readings_of(form: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Lemmas that a form may belong to: all, verbs, prepositions; no surnames, places, rarities."""
    found: tuple[set[str], ...] = (set(), set(), set())
    for _, _, (_, lemma, tag, labels, _) in morfeusz().analyse(form):
        lemma = lemma.split(":")[0]
        if lemma not in RARE_LEMMAS and (not labels or {"imię", "nazwa_pospolita"} & set(labels)):
            found[0].add(lemma)
            if tag.startswith(("praet", "fin", "impt", "inf")):
                found[1].add(lemma)
            if tag.startswith("prep"):
                found[2].add(lemma)
    return tuple(map(frozenset, found))


def lemmas_of(form: str) -> frozenset[str]:
    """All lemmas that a form may belong to."""
    return readings_of(form)[0]


@cache
def stem(lemma: str) -> str:
    """Words that begin with it are derived from the lemma; "" for lemmas too short to tell."""
    short = lemma.lower().rstrip(VOWELS)
    return short if len(short) > 2 else ""


class Tale:
    """A tale's words with their readings."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.matches = list(WORD.finditer(text))
        self.words = [match.group().lower() for match in self.matches]
        self.vocabulary = set(self.words)
        self.readings = [self.read(place) for place in range(len(self.words))]
        self.places = defaultdict(list)
        for place, lemmas in enumerate(self.readings):
            for lemma in lemmas:
                groups, word = groups_of(lemma), self.words[place]
                if not groups or any(word in paradigm(g, lemma).cells for g in groups):
                    self.places[lemma].append(place)

    def read(self, place: int) -> frozenset[str]:
        """Lemmas of a word: no verb after a preposition, names inside sentences."""
        match = self.matches[place]
        lemmas, verbs, _ = readings_of(match.group())
        if place and readings_of(self.words[place - 1])[2]:
            lemmas -= verbs
        # The genitive plural of "mama" is rarer than the verb by far.
        if self.words[place] == "mam":
            lemmas -= {"mama"}
        if match.group()[0].isupper() and not SENTENCE_END.search(
            self.text, max(0, match.start() - 8), match.start()
        ):
            return frozenset(lemma for lemma in lemmas if lemma[0].isupper()) or lemmas
        return lemmas

    def forms(self, lemma: str) -> set[str]:
        """Forms in the tale that may belong to the lemma."""
        return {self.words[place] for place in self.places.get(lemma, ())}

    def has_word_from(self, beginnings: list[str], but: set[str] = frozenset()) -> bool:
        """Whether a word begins with one of these, a few words aside."""
        start = tuple(beginning.lower() for beginning in beginnings if beginning)
        return bool(start) and any(word.startswith(start) for word in self.vocabulary - but)

    def is_certain(self, lemma: str) -> bool:
        """Whether all forms that may belong to the lemma do, by what else stands in the tale."""
        forms = self.forms(lemma)
        others = set().union(*(self.readings[place] for place in self.places[lemma])) - {lemma}
        return all(self.forms(other) <= forms and forms - self.forms(other) for other in others)

    def is_free(self, lemma: str, group: Group) -> bool:
        """Whether nothing in the tale hangs on the lemma."""
        forms = self.forms(lemma)
        hanging = [*ATTRIBUTES.get(lemma, "").split(), stem(lemma)]
        if self.has_word_from(hanging, but=forms):
            return False
        for place in self.places[lemma]:
            if place and self.words[place - 1] in COMPARING:
                return False
            if group.beside:
                around = (
                    self.readings[max(0, place - 1) : place] + self.readings[place + 1 : place + 3]
                )
                if not any(group.beside & lemmas for lemmas in around):
                    return False
        return True

    def is_subject(self, place: int) -> bool:
        """Whether the word is not spoken to: a word follows it, or a verb comes before it."""
        match = self.matches[place]
        if re.match(r" \w", self.text[match.end() : match.end() + 2]):
            return True
        before = self.text[max(0, match.start() - 2) : match.start()]
        return bool(re.match(r"\w ", before)) and bool(readings_of(self.words[place - 1])[1])

    def counterparts(self, group: Group, lemma: str, other: str) -> dict[str, str] | None:
        """For each form of `lemma` in the tale, the other's; None unless it is clear for all."""
        source, target = paradigm(group, lemma), paradigm(group, other)
        found = {}
        for place in self.places[lemma]:
            word = self.words[place]
            cells = source.cells.get(word, frozenset())
            if self.is_subject(place):
                cells = frozenset(cell for cell in cells if ":voc:" not in cell)
            form = target.counterpart(cells) if cells else None
            if form is None:
                return None
            before = self.words[place - 1] if place else ""
            if not (keeps_preposition(before, word) and keeps_preposition(before, form)):
                return None
            found[word] = form
        return found


def keeps_preposition(before: str, word: str) -> bool:
    """Whether the word before can only have the shape that it has, whatever follows it."""
    if before in ("we", "ze"):
        return False
    if before not in ADDS_E:
        return True
    onset = re.match(rf"[^{VOWELS}]*", word).group()
    # Two letters for one sound.
    onset = re.sub("cz|ch|dz|dź|dż", "c", re.sub("sz|rz", "ż", onset))
    return len(onset) < 2 or onset[0] not in ADDS_E[before]


@cache
def groups_of(lemma: str) -> tuple[Group, ...]:
    """The groups that a lemma belongs to."""
    return tuple(group for group in GROUPS if lemma in group.lemmas)


@cache
def exchangeable() -> dict[str, str]:
    """For each form of each lemma that can be exchanged, in lower case, a sign of its group."""
    return {
        form: f"#{number}"
        for number, group in enumerate(GROUPS)
        for lemma in group.lemmas
        for form in paradigm(group, lemma).cells
    }


def vary_tale(text: str, seed: int | str) -> str:
    """The tale with other words; the same for the same seed."""
    chance, tale = random.Random(seed), Tale(text)
    exchanged: dict[int, str] = {}
    taken: set[str] = set()
    for lemma in sorted(tale.places, key=lambda lemma: (tale.places[lemma][0], lemma)):
        groups = groups_of(lemma)
        group = chance.choice(groups) if groups else None
        if not group or chance.random() >= group.rate:
            continue
        if not (tale.is_certain(lemma) and tale.is_free(lemma, group)):
            continue
        for other in chance.sample(group.lemmas, len(group.lemmas)):
            known = other in taken or other in tale.places or tale.has_word_from([stem(other)])
            forms = None if known else tale.counterparts(group, lemma, other)
            if forms:
                taken.add(other)
                for place in tale.places[lemma]:
                    exchanged[place] = forms[tale.words[place]]
                break
    return replaced(tale, exchanged)


def replaced(tale: Tale, exchanged: dict[int, str]) -> str:
    """The text with some of its words exchanged, capital letters as they were."""
    parts, end = [], 0
    for place, form in sorted(exchanged.items()):
        match = tale.matches[place]
        word = match.group()
        if word.isupper() and len(word) > 1:
            form = form.upper()
        elif word[0].isupper():
            form = form[0].upper() + form[1:]
        parts += [tale.text[end : match.start()], form]
        end = match.end()
    return "".join(parts) + tale.text[end:]


OPENING = "Pewnego razu "
# Other openings for "Pewnego razu", each with its weight. "Pewnego dnia" only starts an event.
OPENINGS = {
    "Pewnego razu ": 13,
    "Pewnego dnia ": 4,
    "Dawno temu ": 3,
    "Kiedyś ": 3,
    "Dawno, dawno temu ": 2,
    "Przed wielu laty ": 1,
}
LASTING = re.compile(r"(był|żył|mieszkał|miał|stał)\w* ")


def vary_opening(text: str, seed: int | str) -> str:
    """A tale that begins with "Pewnego razu" with another opening, about half the time."""
    if not text.startswith(OPENING):
        return text
    rest = text.removeprefix(OPENING)
    openings = {
        opening: weight
        for opening, weight in OPENINGS.items()
        if opening.strip() not in rest and not (opening.endswith("dnia ") and LASTING.match(rest))
    }
    (opening,) = random.Random(f"opening {seed}").choices(list(openings), openings.values())
    return opening + rest
