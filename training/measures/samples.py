"""Texts for the evaluation: fixed prompts for each genre, sampling presets, seeds from 0."""

from collections.abc import Sequence
from dataclasses import dataclass

from polishgen.bench import PROMPT
from polishgen.language_model import LanguageModel
from polishgen.parameters import SamplingConfig
from training.measures.words import words_written

# Prose without a genre, which is how all earlier figures were taken.
PROMPTS = (
    "",
    PROMPT,
    "Wieczorem nad rzeką",
    "— Nie pójdę tam —",
    "Stary młynarz otworzył drzwi i",
    "W mieście mówiono, że",
    "Kiedy wojna się skończyła,",
    "Matka spojrzała na nią i",
    "Las był cichy,",
    "Profesor zapalił cygaro.",
    "Na dworcu czekało już wielu",
)
GENRE_PROMPTS = {
    "tale": (
        "",
        PROMPT,
        "Dawno, dawno temu",
        "Był sobie mały jeż, który",
        "Stara chata na skraju lasu",
        "Za górami, za lasami",
        "— Dokąd idziesz? — zapytał",
        "Babcia upiekła chleb i",
        "Wiewiórka znalazła w lesie",
        "Król zgubił koronę.",
        "Zosia nie mogła zasnąć, bo",
    ),
    "novel": PROMPTS,
    "drama": (
        "",
        "LEON: Dokąd pani",
        "ANIELA: (cicho) Nie wiem,",
        "HRABIA: Proszę, niech pan",
        "JULIUSZ: (wchodzi) Dzień dobry.",
        "MARIA: Gdzie jest",
        "OJCIEC: Co to ma znaczyć?",
        "KASIA: A bo to",
        "STANISŁAW: (do siebie) Trzeba",
        "DOKTOR: Jak się pan czuje?",
        "JADWIGA: Już późno,",
    ),
    "scripture": (
        "",
        "I stało się",
        "I rzekł Pan do Mojżesza:",
        "Na początku",
        "Albowiem",
        "A gdy przyszedł do miasta,",
        "Błogosławiony mąż, który",
        "Tedy odpowiedział Jezus:",
        "I wyszedł król",
        "Synu mój,",
        "A oto niewiasta",
    ),
}
NEW_TOKENS = 200
FIRST_SEEDS = 2
FIRST_SEED = 0
# Prompts whose texts are too short get more seeds, but not for ever.
MOST_SEEDS = 20


@dataclass(frozen=True)
class Sample:
    """One continuation; `ended` if the model ended the document, not the limit of tokens."""

    prompt: str
    seed: int
    text: str
    ended: bool

    @property
    def words(self) -> list[str]:
        """The words that the model wrote, as written; one that the limit cut off is left out."""
        return words_written(self.prompt, self.text, self.ended)


def generate_samples(
    lm: LanguageModel,
    sampling: SamplingConfig,
    prompts: Sequence[str],
    min_words: int,
    new_tokens: int = NEW_TOKENS,
    genre: str | None = None,
) -> list[Sample]:
    """Continuations of all prompts, with as many seeds as give `min_words` of two letters or more.

    At least `FIRST_SEEDS` seeds, at most `MOST_SEEDS`; seed by seed, so the first samples are of
    all prompts.
    """
    samples: list[Sample] = []
    for seed in range(MOST_SEEDS):
        if seed >= FIRST_SEEDS and count_words(samples) >= min_words:
            break
        for prompt in prompts:
            samples.append(write_sample(lm, sampling, prompt, seed, new_tokens, genre))
    return samples


def write_sample(
    lm: LanguageModel,
    sampling: SamplingConfig,
    prompt: str,
    seed: int,
    new_tokens: int,
    genre: str | None,
) -> Sample:
    """What `LanguageModel.generate` writes, and whether it ended the document."""
    options = {**dict(sampling), "max_new_tokens": new_tokens, "seed": seed, "genre": genre}
    pieces = list(lm.stream(prompt, **options))
    text = "".join(piece.text for piece in pieces)
    return Sample(prompt, seed, text, pieces[-1].finish_reason == "boundary")


def count_words(samples: Sequence[Sample]) -> int:
    """Words of two letters or more."""
    return sum(len(word) > 1 for sample in samples for word in sample.words)


def first_sample(lm: LanguageModel) -> dict[str, str | int]:
    """What the model writes after `PROMPT` with all defaults and the first seed."""
    return {"prompt": PROMPT, "seed": FIRST_SEED, "text": lm.generate(PROMPT, seed=FIRST_SEED)}
