"""What the bundled models say of one page of prose and write first, kept in golden.json.

`python -m tests.golden` rewrites it, after models were trained anew or decoding was changed on
purpose.
"""

import json
import re
from pathlib import Path

from polishgen import LanguageModel, bundled_names, load

FILE = Path(__file__).with_name("golden.json")
PROMPT, SEED = "Pewnego razu młody książę", 7
# Ours, and in no corpus.
PROSE = """\
Zegar na wieży wybił siódmą, a pan Walenty wciąż jeszcze stał w oknie i patrzył na drogę. Śnieg \
padał gęsto i cicho; po płotach i dachach leżał już grubo, a na gościńcu nie było widać ani śladu.
— Nie przyjadą dzisiaj — rzekła żona, nie podnosząc głowy znad roboty. — Kto by w taką noc jechał?
Walenty nie odpowiedział. Odszedł od okna, dorzucił drew do komina i usiadł, ale po chwili znowu \
wstał. Pies pod stołem podniósł uszy. Gdzieś daleko, za lasem, odezwał się dzwonek, potem umilkł, \
potem odezwał się bliżej.
— Jadą! — krzyknął chłopiec i rzucił się ku drzwiom.
W sieni zrobił się ruch, ktoś szukał latarni, ktoś wołał parobka, a dzwonek brzmiał już pod samą \
bramą. Walenty wyszedł na ganek bez czapki. Z sań wysiadł nie brat, na którego czekał, lecz stary \
człowiek w podróżnym futrze, którego nikt w tym domu nigdy jeszcze nie widział.
— Czy tu mieszka Walenty Brzeski? — zapytał przybyły, strząsając śnieg z rękawów. — Mam dla niego \
list i złą nowinę.
Żona stanęła w progu ze świecą. Nikt się nie ruszył, tylko koń parskał i uderzał kopytem o zmarzłą \
ziemię.
"""


def first_sentence(text: str) -> str:
    """Up to the first end of a sentence or line, or all of it."""
    return re.match(r".*?(?:[.!?…]+|\n|\Z)", text.strip(), re.DOTALL)[0]


def golden(lm: LanguageModel) -> dict[str, object]:
    """One model's values."""
    return {
        "bits_per_byte": round(lm.score(PROSE).bits_per_byte, 5),
        "sentence": first_sentence(lm.generate(PROMPT, max_new_tokens=60, seed=SEED)),
    }


def main() -> None:
    """Measures all bundled models and the chorus, and writes the file."""
    values = {name: golden(load(name)) for name in (*bundled_names(), "chorus")}
    FILE.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(FILE.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
