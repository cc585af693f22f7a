"""The house style of English, as far as a syntax tree shows it."""

import ast
import io
import re
import tokenize

import pytest

from tests.support import ROOT

_FILES = [
    path
    for package in ("data_prep", "sagan_jax", "launch", "tests")
    for path in sorted((ROOT / package).rglob("*.py"))
]
# Sentences that begin so only make sense after the one before, or are no sentences.
_BEGINNING = re.compile(r"\W*(Of|As|What|Likewise)\b")
# Entries of `Args:`, `Attributes:` and `Returns:` sections.
_ENTRY = re.compile(r"^ +\*{0,2}\w+: (.*)")
# Words that were replaced by those of the field.
_RETIRED = re.compile(r"critics?\b|ancestor|\bsightings?\b|\bcaricature\b", re.IGNORECASE)
# It translates what checkpoints of earlier schemas say.
_HISTORY = {
    "migrations.py",
    "test_sentences.py",
    "test_facts.py",
    "test_migrations.py",
    "test_earlier_schemas.py",
}


def _docstrings(tree: ast.AST) -> list[str]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return [text for node in nodes if (text := ast.get_docstring(node))]


def _comments(source: str) -> list[str]:
    """First lines of the comments; what follows on the next line goes on."""
    found, last = [], -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1:
                found.append(token.string)
            # A comment behind code ends there.
            last = token.start[0] if token.line.lstrip().startswith("#") else -1
    return found


@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_and_comments_stand_alone(path):
    source = path.read_text()
    docstrings = _docstrings(ast.parse(source))
    entries = [match[1] for text in docstrings for match in map(_ENTRY.match, text.splitlines())
               if match]  # fmt: skip
    bad = [text for text in (*docstrings, *entries, *_comments(source)) if _BEGINNING.match(text)]
    assert not bad
    assert path.name in _HISTORY or not _RETIRED.findall(source)


def _flag_helps(tree: ast.AST) -> list[str]:
    """Help texts of absl flags."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr.startswith("DEFINE_")
    ]
    # The help is the last argument that is a text: the name comes first, a default before it.
    texts = [[a.value for a in call.args if isinstance(a, ast.Constant)] for call in calls]
    return [[text for text in some if isinstance(text, str)][-1] for some in texts]


@pytest.mark.parametrize("path", sorted((ROOT / "launch").rglob("*.py")), ids=lambda p: p.name)
def test_the_help_of_a_flag_begins_with_a_verb(path):
    for text in _flag_helps(ast.parse(path.read_text())):
        first = text.split()[0]
        # Words that are no imperative: articles, pronouns, prepositions, question words.
        assert first[0].isupper() and text.rstrip().endswith("."), text
        nouns = (
            "Of As What Likewise How Which Who Whose Whether The A An It Is Where When For In On"
        )
        assert first not in nouns.split(), text
