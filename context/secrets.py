"""What must not leave by accident: files that hold keys, by their names, and keys within any text.

A key within a text is replaced where it stands, so that lines keep their numbers. The rules would rather miss
a password that looks like a word than hide code: for what has no prefix of its own to be known by, both the
name before it and the value must look like one.
"""

import fnmatch
import itertools
import re
from collections.abc import Iterator
from pathlib import PurePath

import attrs

MASK = "<masked>"

SECRET_NAMES = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass",
    ".htpasswd", ".git-credentials", ".dockercfg", ".vault-token", "*.tfstate", "*.tfstate.*",
)  # fmt: skip
"""Never part of a project pack; naming such a file is the person's own decision."""

_SECRET_DATA = ("credentials*", "secrets.*")
_SAMPLES = (".example", ".sample", ".template", ".dist")
_SOURCES = frozenset(
    {".bash", ".c", ".cc", ".clj", ".cpp", ".cs", ".cxx", ".dart", ".el", ".ex", ".exs", ".fs", ".go", ".h"}
    | {
        ".hpp",
        ".hs",
        ".html",
        ".java",
        ".jl",
        ".js",
        ".jsx",
        ".kt",
        ".lua",
        ".m",
        ".md",
        ".mjs",
        ".ml",
        ".mm",
    }
    | {".php", ".pl", ".pm", ".py", ".pyi", ".r", ".rb", ".rs", ".rst", ".scala", ".sh", ".sql", ".swift"}
    | {".ts", ".tsx", ".vim", ".vue", ".zig"}
)
"""Code about secrets is no secret: ``credentials.py`` is shown, ``credentials.json`` is not."""

_SECRET_NAME = re.compile("|".join(map(fnmatch.translate, SECRET_NAMES)))
_SECRET_DATA_NAME = re.compile("|".join(map(fnmatch.translate, _SECRET_DATA)))

_KEY_HEADER = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=]{16,}")
_KEY_LINES = 400

_TOKENS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (what, literal, re.compile(rf"{pattern}(?![A-Za-z0-9])"))
    for what, literal, pattern in (
        ("an AWS access key", "AKIA", r"AKIA[A-Z0-9]{16}"),
        ("an AWS access key", "ASIA", r"ASIA[A-Z0-9]{16}"),
        ("a GitHub token", "gh", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
        ("a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
        ("a GitLab token", "glpat-", r"glpat-[A-Za-z0-9_-]{20,255}"),
        ("a Slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,255}"),
        ("a Slack address", "hooks.slack.com", r"hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{16,}"),
        ("an API key", "sk-", r"sk-[A-Za-z0-9_-]{20,255}"),
        ("a Stripe key", "k_live_", r"[rs]k_live_[A-Za-z0-9]{16,255}"),
        ("a Stripe key", "k_test_", r"[rs]k_test_[A-Za-z0-9]{16,255}"),
        ("a Google API key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
        ("a Google secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}"),
        ("a Google token", "ya29.", r"ya29\.[A-Za-z0-9_-]{20,1024}"),
        ("an npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
        ("a PyPI token", "pypi-", r"pypi-AgE[A-Za-z0-9_-]{50,1024}"),
        ("a Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{34}"),
        ("a SendGrid key", "SG.", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
        ("a DigitalOcean token", "_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
        ("a Vault token", "hvs.", r"hvs\.[A-Za-z0-9_-]{24,255}"),
        ("an age key", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
        ("a Telegram token", ":AA", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
        ("an Azure key", "AccountKey=", r"(?<=AccountKey=)[A-Za-z0-9+/]{86}=="),
        (
            "a JSON web token",
            "eyJ",
            r"eyJ[A-Za-z0-9_-]{10,1024}\.eyJ[A-Za-z0-9_-]{10,4096}\.[A-Za-z0-9_-]{10,1024}",
        ),
    )
)
"""What they are, text that has to be there at all (which is quick to look for), and their shape."""

_IN_ADDRESS = re.compile(r"://[^\s:/@\"'<>{}$%]{0,64}:(?P<value>[^\s:/@\"'<>{}$%]{6,128})@[A-Za-z0-9\[]")
_PLAIN_WORD = re.compile(r"(?i)(?:[a-z_-]+[0-9]{0,3}|[x*.]+)(?:;.*)?")

_NAME = re.compile(
    r"passw|passphrase|secret|token|api[_-]?key|(?:access|auth|account|private|encryption)[_-]?key"
    r"|credential|authorization"
)
_ASSIGNED = re.compile(
    r"[\w.-]{0,40}[\"'`]?\]?\s{0,4}(?::\s{0,4}[\w.\[\]| ]{1,40}?\s{0,4}=|:=|=>|[:=])\s{0,4}"
    r"(?:[Bb]earer\s|[Bb]asic\s|[Tt]oken\s)?"
    r"(?:[brfu]{0,2}(?P<quote>[\"'`])(?:(?:[Bb]earer|[Bb]asic|[Tt]oken)\s)?(?P<quoted>[^\"'`\s\\<>{}()$]{8,512})(?P=quote)"
    r"|(?P<bare>[A-Za-z0-9+/=_.~-]{16,512})(?=\s*(?:[\"'#;,]|$)))",
    re.MULTILINE,
)
_ENVIRONMENT = re.compile(
    r"^[+-]?[ \t]{0,40}(?:export )?[A-Z0-9_]{0,40}PASSW(?:OR)?D[A-Z0-9_]{0,40}="
    r"(?P<value>[^\s\"'`$<>{}()]{8,128})$",
    re.MULTILINE,
)
_DIGITS = 2
_SCATTERED = 0.25
_LONG = 16
_FEW_CHARACTERS = 9
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_PASSWORD_CLASSES = 3


@attrs.frozen
class Finding:
    """Something that was masked; ``line`` is 0-based."""

    line: int
    what: str


@attrs.frozen
class Masked:
    """A text with as many lines as it had, and what is no longer in it."""

    text: str
    found: tuple[Finding, ...]


def is_secret(path: PurePath) -> bool:
    """Whether a file is likely to hold keys, by its name."""
    name = path.name.lower()
    if name.endswith(_SAMPLES):
        return False
    if _SECRET_DATA_NAME.match(name):
        return path.suffix.lower() not in _SOURCES
    return _SECRET_NAME.match(name) is not None


def masked(text: str) -> Masked:
    """The text with each key in it replaced by ``<masked>``. What was masked once is not found again."""
    spans = sorted(_spans(text))
    pieces: list[str] = []
    found: list[Finding] = []
    at, line = 0, 0
    for start, end, what in spans:
        if start < at:
            continue
        line += text.count("\n", at, start)
        pieces += [text[at:start], MASK]
        if what:
            found.append(Finding(line, what))
        at = end
    pieces.append(text[at:])
    return Masked("".join(pieces), tuple(found))


def notice(source: str, found: tuple[Finding, ...]) -> str:
    """What is said to the person about a text in which something was masked."""
    first, *rest = [f"{finding.what} (line {finding.line + 1})" for finding in found]
    more = f" and {len(rest)} more" if rest else ""
    return f'{source}: {first}{more} masked. A line "!{source}" in .kvasirignore sends the file as it is.'


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Where keys stand, and what they are; nothing for the later lines of a key that was named."""
    yield from _private_keys(text)
    yield from _tokens(text)
    yield from _passwords(text)
    yield from _assigned(text)


def _tokens(text: str) -> Iterator[tuple[int, int, str]]:
    for what, literal, shape in _TOKENS:
        if literal not in text:
            continue
        for match in shape.finditer(text):
            # Looked at afterwards: a search for an expression that begins with letters is quicker.
            if _begins_word(text, match.start()) and _is_token(match[0]):
                yield *match.span(), what


def _passwords(text: str) -> Iterator[tuple[int, int, str]]:
    if "://" in text:
        for match in _IN_ADDRESS.finditer(text):
            if not _PLAIN_WORD.fullmatch(match["value"]):
                yield *match.span("value"), "a password in an address"
    if "PASSW" in text:
        for match in _ENVIRONMENT.finditer(text):
            if _is_mixed(match["value"]):
                yield *match.span("value"), _named("password")


def _private_keys(text: str) -> Iterator[tuple[int, int, str]]:
    for header in _KEY_HEADER.finditer(text):
        what = "a private key"
        at = header.end()
        # The end, or another key's begin.
        end = text.find("-----", at)
        for _ in range(_KEY_LINES):
            line_end = text.find("\n", at)
            stop = line_end if line_end >= 0 else len(text)
            stop = min(stop, end) if end >= 0 else stop
            # A key may stand in a string with \\n in it, so there can be several in a line.
            for body in _KEY_BODY.finditer(text, at, stop):
                if len(set(body[0])) > _FEW_CHARACTERS:
                    yield *body.span(), what
                    what = ""
            if line_end < 0 or stop == end:
                break
            at = line_end + 1


def _assigned(text: str) -> Iterator[tuple[int, int, str]]:
    """Values that look like keys, behind names that say so."""
    lower = text.lower()
    if len(lower) != len(text):  # some letters become two
        lower = "".join(one.lower() if one.isascii() else one for one in text)
    at = 0
    while name := _NAME.search(lower, at):
        at = name.end()
        if (match := _ASSIGNED.match(text, at)) is None:
            continue
        group = "bare" if match["quoted"] is None else "quoted"
        value = match[group]
        is_password = name[0] == "passw" and group == "quoted"
        if _is_scattered(value) or (is_password and _is_mixed(value)):
            yield *match.span(group), _named("password" if name[0] == "passw" else name[0])
            at = match.end()


def _named(name: str) -> str:
    return f'a value named "{name}"'


def _begins_word(text: str, at: int) -> bool:
    return at == 0 or not (text[at - 1].isalnum() or text[at - 1] == "_")


def _is_token(value: str) -> bool:
    """Documentation shows keys that end in EXAMPLE, and words joined by hyphens may begin like a key."""
    return "EXAMPLE" not in value and any(one.isdigit() or one.isupper() for one in value[3:])


def _is_scattered(value: str) -> bool:
    """Whether letters and digits alternate as they do by chance, and not in words or numbers."""
    if (
        len(value) < _LONG
        or _DOTTED.fullmatch(value)
        or sum(one.isdigit() for one in value) < _DIGITS
        or value.isdigit()
    ):
        return False
    kinds = [(one.isdigit(), one.isupper()) for one in value if one.isalnum()]
    turns = sum(one != other for one, other in itertools.pairwise(kinds))
    return turns >= _SCATTERED * len(value) and len(set(value)) > min(len(value) // 4, _FEW_CHARACTERS)


def _is_mixed(value: str) -> bool:
    """Whether a short value has the kinds of characters that passwords are asked to have."""
    kinds = {(one.islower(), one.isupper(), one.isdigit()) for one in value}
    return len(kinds) >= _PASSWORD_CLASSES and not value.startswith(("/", "%"))
