"""The query book, src/dataset/QUERIES.md, as what can be run."""

import dataclasses
import json
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK = ROOT / "src" / "dataset" / "QUERIES.md"
READERS = ROOT / "tests" / "readers"
NODE = shutil.which("node") or shutil.which("nodejs")


@dataclasses.dataclass
class Query:
    """One block: the heading it stands under, for which engine, its words."""
    title: str
    engine: str
    text: str


def read_book():
    """All blocks in their order."""
    queries = []
    title = None
    text = BOOK.read_text()
    for match in re.finditer(r"^#+ (.+)$|^```sql(.*)\n((?:.*\n)*?)```$", text,
                             re.MULTILINE):
        heading, kind, body = match.groups()
        if heading:
            title = heading
        else:
            queries.append(Query(title, kind.strip() or "duckdb", body.strip()))
    return queries


def has_duckdb():
    return NODE is not None and (READERS / "node_modules" / "@duckdb" /
                                 "node-api").is_dir()


def run_duckdb(statements, directory, settings=None, rows=True):
    """The answers to statements, run one after the other in `directory`.

    Without rows they are computed and not taken.
    """
    done = subprocess.run(
        [NODE, READERS / "run_sql.mjs", *([] if rows else ["--no-rows"])],
        cwd=directory,
        input=json.dumps(statements), capture_output=True, text=True,
        check=False, env={"PATH": "/usr/bin:/bin", "HOME": str(directory),
                          "DUCKDB_SETTINGS": json.dumps(settings or {})})
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, \
        f"{statements[len(answers)]}\n{done.stderr[-2000:]}"
    return answers
