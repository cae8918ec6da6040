"""A run's texts as files to download; they live in the system's folder for temporary files.

Notable: the name of a file's folder is a digest of what is in it, so a run that is kept twice takes
its place once, and every new one clears away what is older than an hour.
"""

import hashlib
import json
import shutil
import tempfile
import time
from pathlib import Path

from polishgen.page.models import title
from polishgen.page.run_settings import RunSettings

FOLDER = Path(tempfile.gettempdir()) / "polishgen-downloads"
LIFETIME = 3600.0


def write_downloads(
    settings: RunSettings, link: str, texts: dict[str, str], folder: Path = FOLDER
) -> tuple[Path, Path]:
    """A text file to read, and a JSON file with everything needed to repeat the run."""
    record = {"link": link, "settings": settings.model_dump(), "texts": texts}
    content = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    remove_old(folder)
    place = folder / hashlib.sha256(content.encode()).hexdigest()[:32]
    place.mkdir(parents=True, exist_ok=True)
    text_file, json_file = place / "polishgen.txt", place / "polishgen.json"
    plain = "\n\n".join(f"{title(name)}\n\n{text}" for name, text in texts.items())
    text_file.write_text(plain + "\n", encoding="utf-8")
    json_file.write_text(content, encoding="utf-8")
    return text_file, json_file


def remove_old(folder: Path) -> None:
    """Removes what was written more than `LIFETIME` seconds ago."""
    for place in folder.glob("*"):
        if time.time() - place.stat().st_mtime > LIFETIME:
            shutil.rmtree(place, ignore_errors=True)
