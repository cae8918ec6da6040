"""A text as a picture to post: prompt, continuation, who wrote it."""

import io
import textwrap
from functools import lru_cache

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from polishgen.page.models import title
from polishgen.page.texts import TEXTS

# What networks show in full.
WIDTH, HEIGHT, MARGIN = 1200, 630, 72
PAPER, INK, FAINT, ACCENT = "#fbf8f1", "#1d1b18", "#6b655b", "#a8321f"
SIZE, LINE, COLUMNS, LINES = 34, 50, 56, 8
# The link's letters, and how many go into a line; one that needs more than three lines is left out.
LINK_SIZE, LINK_LINE, LINK_COLUMNS = 15, 20, 116


@lru_cache(maxsize=8)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """One of the DejaVu fonts, which come with matplotlib and have every Polish letter."""
    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/{name}.ttf", size)


def draw(text: tuple[str, str, tuple[str, ...]], language: str, link: str) -> bytes:
    """A PNG of a text as `writing.text_of` gives it, with the link to it."""
    prompt, written, models = text
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 14, HEIGHT), fill=ACCENT)
    whole = " ".join((prompt + written).split())
    lines = textwrap.wrap(whole, COLUMNS)
    if len(lines) > LINES:
        lines = lines[:LINES]
        lines[-1] = lines[-1].rstrip(" ,.;–—") + "…"
    left, place = len(" ".join(prompt.split())), 0
    serif, bold = font("DejaVuSerif", SIZE), font("DejaVuSerif-Bold", SIZE)
    for index, line in enumerate(lines):
        y = MARGIN + index * LINE
        own = line[: max(0, left - place)]
        pen.text((MARGIN, y), own, FAINT, serif)
        pen.text((MARGIN + pen.textlength(own, serif), y), line[len(own) :], INK, serif)
        place += len(line) + 1
    texts = TEXTS[language]
    named = ", ".join(texts.get(model) or title(model) for model in models)
    who = texts["card_by"].format(models=named)
    pen.text((MARGIN, HEIGHT - MARGIN - 46), who, ACCENT, font("DejaVuSans-Bold", 26))
    name = "polishgen"
    width = pen.textlength(name, bold)
    pen.text((WIDTH - MARGIN - width, HEIGHT - MARGIN - 52), name, INK, bold)
    parts = [link[i : i + LINK_COLUMNS] for i in range(0, len(link), LINK_COLUMNS)]
    for index, part in enumerate(parts if len(parts) < 4 else []):
        y = HEIGHT - MARGIN + 2 + index * LINK_LINE
        pen.text((MARGIN, y), part, FAINT, font("DejaVuSansMono", LINK_SIZE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
