"""The languages that are read by a grammar: how their files are named, and what defines and refers in them.

The queries are ours and stay at the level of names: nothing is resolved, so two functions of one name are one
identifier. Their captures: ``@span`` is a definition with its body; a name within it is captured by its kind
(``@function``, ``@class``, ...); ``@scope`` names what encloses it without defining that (``impl Store``);
``@wrap`` holds one definition and what stands in front of it (decorators, ``export``, ``template``);
``@reference`` is a use.
"""

import re
from functools import cache
from importlib import import_module
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from tree_sitter import Parser, Query

QUERIES = Path(__file__).parent / "queries"


@attrs.frozen
class Language:
    """A language by its name; ``package`` without a name is one that needs no grammar."""

    name: str
    extensions: tuple[str, ...]
    package: str = ""
    queries: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    grammar: str = "language"


PYTHON = Language(
    "python",
    (".py", ".pyi", ".pyw"),
    "tree_sitter_python",
    ("python",),
    ("SConstruct", "SConscript"),
    ("python",),
)
C = Language("c", (".c", ".h"), "tree_sitter_c", ("c",))
CPP = Language(
    "cpp",
    (".cpp", ".cc", ".cxx", ".c++", ".hpp", ".hh", ".hxx", ".h++", ".ipp", ".inl", ".tpp", ".cu", ".cuh"),
    "tree_sitter_cpp",
    ("c", "cpp"),
)
JAVASCRIPT = Language(
    "javascript",
    (".js", ".jsx", ".mjs", ".cjs"),
    "tree_sitter_javascript",
    ("javascript", "jsx"),
    ("Jakefile",),
    ("node",),
)
TYPESCRIPT = Language(
    "typescript",
    (".ts", ".mts", ".cts"),
    "tree_sitter_typescript",
    ("typescript",),
    grammar="language_typescript",
)
TSX = Language("tsx", (".tsx",), "tree_sitter_typescript", ("typescript", "jsx"), grammar="language_tsx")
RUST = Language("rust", (".rs",), "tree_sitter_rust", ("rust",))
GO = Language("go", (".go",), "tree_sitter_go", ("go",))
JAVA = Language("java", (".java",), "tree_sitter_java", ("java",))
RUBY = Language(
    "ruby",
    (".rb", ".rake", ".gemspec"),
    "tree_sitter_ruby",
    ("ruby",),
    ("Rakefile", "Gemfile", "Vagrantfile", "Podfile", "Guardfile"),
    ("ruby",),
)
C_SHARP = Language("c_sharp", (".cs",), "tree_sitter_c_sharp", ("c_sharp",))
PHP = Language("php", (".php",), "tree_sitter_php", ("php",), (), ("php",), grammar="language_php")
BASH = Language(
    "bash",
    (".sh", ".bash", ".zsh", ".ksh"),
    "tree_sitter_bash",
    ("bash",),
    (".bashrc", ".bash_profile", ".profile", "PKGBUILD"),
    ("sh", "bash", "dash", "ksh", "zsh"),
)
LUA = Language("lua", (".lua",), "tree_sitter_lua", ("lua",), (), ("lua", "luajit"))
KOTLIN = Language("kotlin", (".kt", ".kts"), "tree_sitter_kotlin", ("kotlin",))
SCALA = Language("scala", (".scala", ".sc", ".sbt"), "tree_sitter_scala", ("scala",))
MARKDOWN = Language("markdown", (".md", ".markdown", ".mdx"))

LANGUAGES = (
    PYTHON, C, CPP, JAVASCRIPT, TYPESCRIPT, TSX, RUST, GO, JAVA, RUBY, C_SHARP, PHP, BASH, LUA, KOTLIN, SCALA,
    MARKDOWN,
)  # fmt: skip

_BY_EXTENSION = {extension: language for language in LANGUAGES for extension in language.extensions}
_BY_FILENAME = {name: language for language in LANGUAGES for name in language.filenames}
_BY_INTERPRETER = {name: language for language in LANGUAGES for name in language.interpreters}

_SHEBANG = re.compile(r"#!\s*(?:\S*/env\s+(?:-\S+\s+)*)?(?:\S*/)?([A-Za-z]+)")
_ONLY_CPP = re.compile(
    r"^[ \t]*(?:class\s+\w+[^;]*$|namespace\b|template\s*<|public:|private:|protected:|using\s)", re.MULTILINE
)


def language_of(path: PurePath | str, text: str = "") -> Language | None:
    """The language of a file, ``None`` for one that is not among ours.

    The text, where there is one, decides what a name leaves open: a script's first line, C++ in a ``.h``.
    """
    path = PurePath(path)
    found = _BY_FILENAME.get(path.name) or _BY_EXTENSION.get(path.suffix.lower())
    if found is None and text.startswith("#!") and (shebang := _SHEBANG.match(text)):
        return _BY_INTERPRETER.get(shebang[1])
    if found is C and path.suffix == ".h" and _ONLY_CPP.search(text):
        return CPP
    return found


@cache
def tools(language: Language) -> "tuple[Parser, Query] | None":
    """A parser and the query of a language, made at the first file; ``None`` without its grammar."""
    import tree_sitter

    if not language.package:
        return None
    try:
        package = import_module(language.package)
    except ImportError:
        return None
    pointer: object = getattr(package, language.grammar)()
    grammar = tree_sitter.Language(pointer)
    text = "\n".join((QUERIES / f"{name}.scm").read_text("utf-8") for name in language.queries)
    return tree_sitter.Parser(grammar), tree_sitter.Query(grammar, text)
