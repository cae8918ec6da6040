"""Data or capacity? Loss on text that was trained on, beside text that was held out.

`python -m training.experiments.gap`: models that predict what they have read hardly better than
what they have not would not be helped by reading more of it.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from polishgen.chorus import load_bundled
from polishgen.command_line import command
from polishgen.language_model import load
from training.corpus.cleaning import Document
from training.corpus.summary import DEFAULT_FOLDER, load_summary
from training.measures.held_out import kind_losses, read_documents

KINDS = ("novel", "tale")
# Of each document no more than this is read, of each kind so much in all.
CHARACTERS, ALL_CHARACTERS, SEED = 12_000, 480_000, 1


def excerpts(documents: Sequence[Document], kind: str) -> list[Document]:
    """Beginnings of documents of a kind, drawn until there is enough text."""
    chosen = [document for document in documents if document.meta["kind"] == kind]
    random.Random(SEED).shuffle(chosen)
    found, size = [], 0
    for document in chosen:
        if size >= ALL_CHARACTERS:
            break
        found.append(Document(document.text[:CHARACTERS], document.meta))
        size += len(found[-1].text)
    return found


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser("training.experiments.gap", description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", help="names or folders (all that are bundled)")
    parser.add_argument("--data", default=DEFAULT_FOLDER, help="prepared corpus (%(default)s)")
    options = parser.parse_args(arguments)
    load_summary(options.data)  # refuses what is no corpus
    models = [load(name) for name in options.models] if options.models else load_bundled()
    splits = [read_documents(Path(options.data) / f"{name}.jsonl") for name in ("train", "val.txt")]
    print("| bits per byte | kind | trained on | held out |\n|---|---|---:|---:|")
    for lm in models:
        for kind in KINDS:
            parts = [excerpts(documents, kind) for documents in splits]
            if not all(parts):
                continue
            read, unread = (kind_losses([lm.model], lm.tokenizer, part)[0] for part in parts)
            print(
                f"| {lm.name} | {kind} | {read['bits_per_byte']:.3f} "
                f"| {unread['bits_per_byte']:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
