"""What kind of text a document is, and the genre that its control code names."""

from collections.abc import Iterator

from training.corpus.cleaning import Document

# Kinds in a source's meta. Children's books are novels in form; essays and memoirs have no genre.
GENRE_OF_KIND = {
    "tale": "tale",
    "novel": "novel",
    "short_story": "novel",
    "children": "novel",
    "drama": "drama",
    "bible": "scripture",
}
DEFAULT_KIND = "novel"
LONGEST_TITLE = 40


def kind_of(document: Document) -> str:
    """The kind that the source gives; a source without kinds holds novels."""
    return str(document.meta.get("kind") or DEFAULT_KIND)


def genre_of(document: Document) -> str | None:
    """The document's genre, None for kinds that have none."""
    return GENRE_OF_KIND.get(kind_of(document))


def chapters(document: Document) -> Iterator[Document]:
    """The Bible as a document per chapter, any other document whole.

    In a cleaned Bible every line is a chapter, but for titles of books, which are left out.
    """
    if kind_of(document) != "bible":
        yield document
        return
    lines = (line for line in document.text.split("\n") if len(line) > LONGEST_TITLE)
    for number, line in enumerate(lines, start=1):
        yield Document(line, document.meta | {"title": f"{document.meta.get('title')}, {number}"})
